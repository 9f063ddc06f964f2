CREATE UNIQUE INDEX "Organization_slug_key" ON public."Organization" (slug);
CREATE UNIQUE INDEX "User_email_key" ON public."User" (email);
CREATE INDEX "User_tags_idx" ON public."User" USING gin (tags);
CREATE UNIQUE INDEX "Account_provider_key" ON public."Account" (provider, "providerAccountId");
CREATE UNIQUE INDEX "Session_sessionToken_key" ON public."Session" ("sessionToken");
CREATE UNIQUE INDEX "VerificationToken_key" ON public."VerificationToken" (identifier, token);
CREATE INDEX "Notification_unread_idx" ON public."Notification" ("userId", "createdAt" DESC) WHERE "readAt" IS NULL;
CREATE INDEX "Notification_payload_idx" ON public."Notification" USING gin (payload jsonb_path_ops);
CREATE UNIQUE INDEX "SeoPage_slug_key" ON public."SeoPage" (slug, locale);
CREATE INDEX "SeoPage_search_idx" ON public."SeoPage" USING gin (search);
CREATE INDEX "AuditLog_at_idx" ON public."AuditLog" USING brin ("at");
CREATE UNIQUE INDEX patients_mrn_key ON medical_records.patients (mrn);
CREATE INDEX patients_name_idx ON medical_records.patients (lower("fullName") text_pattern_ops) INCLUDE (birth_date);
CREATE INDEX patients_active_idx ON medical_records.patients (practice_id) WHERE archived_at IS NULL;
CREATE INDEX encounters_patient_idx ON medical_records.encounters (patient_id, started_at DESC);
CREATE INDEX diagnoses_icd10_idx ON medical_records.diagnoses (icd10) WITH (fillfactor = 80);
CREATE INDEX lab_results_order_idx ON medical_records.lab_results (order_id);
CREATE INDEX vital_signs_patient_idx ON medical_records.vital_signs (patient_id, taken_at);
CREATE INDEX appointments_calendar_idx ON practice_management.appointments (provider_id, starts_at) WHERE status <> 'cancelled';
CREATE INDEX appointments_patient_idx ON practice_management.appointments (patient_id);
CREATE UNIQUE INDEX policies_number_key ON practice_management.insurance_policies (insurer_id, policy_number) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX invoices_number_key ON practice_management.invoices (number);
ALTER TABLE practice_management.providers ADD CONSTRAINT providers_user_key UNIQUE ("userId") DEFERRABLE INITIALLY DEFERRED;
ALTER INDEX practice_management.appointments_calendar_idx SET (fillfactor = 90);
CREATE STATISTICS medical_records.encounters_by_provider (dependencies) ON provider_id, kind FROM medical_records.encounters;

ALTER TABLE public."User" ADD FOREIGN KEY ("organizationId") REFERENCES public."Organization" ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE public."Account" ADD FOREIGN KEY ("userId") REFERENCES public."User" ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE public."Session" ADD FOREIGN KEY ("userId") REFERENCES public."User" ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE public."ApiKey" ADD FOREIGN KEY ("userId") REFERENCES public."User" ON DELETE CASCADE;
ALTER TABLE public."Notification" ADD FOREIGN KEY ("userId") REFERENCES public."User" ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE public."FileAsset" ADD FOREIGN KEY ("ownerId") REFERENCES public."User", ADD FOREIGN KEY ("patientId") REFERENCES medical_records.patients;
ALTER TABLE practice_management.practices ADD FOREIGN KEY ("organizationId") REFERENCES public."Organization",
  ADD FOREIGN KEY (owner_provider_id) REFERENCES practice_management.providers DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE practice_management.locations ADD FOREIGN KEY (practice_id) REFERENCES practice_management.practices;
ALTER TABLE practice_management.providers ADD FOREIGN KEY (practice_id) REFERENCES practice_management.practices,
  ADD FOREIGN KEY ("userId") REFERENCES public."User" ON DELETE SET NULL;
ALTER TABLE practice_management.provider_schedules ADD FOREIGN KEY (provider_id) REFERENCES practice_management.providers ON DELETE CASCADE;
ALTER TABLE practice_management.appointments ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients,
  ADD FOREIGN KEY (provider_id) REFERENCES practice_management.providers, ADD FOREIGN KEY (location_id) REFERENCES practice_management.locations,
  ADD FOREIGN KEY (type_code) REFERENCES practice_management.appointment_types;
ALTER TABLE practice_management.waitlist ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients ON DELETE CASCADE,
  ADD FOREIGN KEY (type_code) REFERENCES practice_management.appointment_types;
ALTER TABLE practice_management.insurance_policies ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients,
  ADD FOREIGN KEY (insurer_id) REFERENCES practice_management.insurers;
ALTER TABLE practice_management.invoices ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;
ALTER TABLE practice_management.invoice_lines ADD FOREIGN KEY (invoice_id) REFERENCES practice_management.invoices ON DELETE CASCADE;
ALTER TABLE practice_management.payments ADD FOREIGN KEY (invoice_id) REFERENCES practice_management.invoices;
ALTER TABLE practice_management.claims ADD FOREIGN KEY (policy_id) REFERENCES practice_management.insurance_policies,
  ADD FOREIGN KEY (invoice_id) REFERENCES practice_management.invoices;
ALTER TABLE practice_management.claims ADD CONSTRAINT claims_state_known CHECK (state IN ('open', 'paid', 'denied')) NOT VALID;
ALTER TABLE practice_management.tasks ADD FOREIGN KEY (assignee_id) REFERENCES public."User", ADD FOREIGN KEY (parent_id) REFERENCES practice_management.tasks;
ALTER TABLE medical_records.patients ADD FOREIGN KEY ("createdById") REFERENCES public."User", ADD FOREIGN KEY (practice_id) REFERENCES practice_management.practices;
ALTER TABLE medical_records.encounters ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients,
  ADD FOREIGN KEY (provider_id) REFERENCES practice_management.providers, ADD FOREIGN KEY (appointment_id) REFERENCES practice_management.appointments;
ALTER TABLE medical_records.diagnoses ADD FOREIGN KEY (encounter_id) REFERENCES medical_records.encounters ON DELETE CASCADE;
ALTER TABLE medical_records.prescriptions ADD FOREIGN KEY (encounter_id) REFERENCES medical_records.encounters, ADD FOREIGN KEY (medication_id) REFERENCES medical_records.medications;
ALTER TABLE medical_records.lab_orders ADD FOREIGN KEY (encounter_id) REFERENCES medical_records.encounters;
ALTER TABLE medical_records.lab_results ADD FOREIGN KEY (order_id) REFERENCES medical_records.lab_orders;
ALTER TABLE medical_records.vital_signs ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;
ALTER TABLE medical_records.clinical_notes ADD FOREIGN KEY (encounter_id) REFERENCES medical_records.encounters, ADD FOREIGN KEY (author_id) REFERENCES public."User";
ALTER TABLE medical_records.allergies ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;
ALTER TABLE medical_records.immunizations ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;
ALTER TABLE medical_records.consents ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;
ALTER TABLE medical_records.care_plans ADD FOREIGN KEY (patient_id) REFERENCES medical_records.patients;

-- The trigger's function names its table without the schema, too.
CREATE FUNCTION public.record_audit() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  INSERT INTO "AuditLog" ("tableName", action, "rowId") VALUES (TG_TABLE_NAME, TG_OP, coalesce(NEW.id, OLD.id)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER patients_audit AFTER INSERT OR UPDATE OR DELETE ON medical_records.patients FOR EACH ROW EXECUTE FUNCTION public.record_audit();
CREATE TRIGGER encounters_audit AFTER UPDATE OF summary ON medical_records.encounters FOR EACH ROW
  WHEN (OLD.summary IS DISTINCT FROM NEW.summary) EXECUTE FUNCTION public.record_audit();
ALTER TABLE medical_records.encounters DISABLE TRIGGER encounters_audit;

CREATE VIEW medical_records.active_patients AS
  SELECT p.id, p.mrn, p."fullName", r.name AS practice FROM medical_records.patients p
  JOIN practice_management.practices r ON r.id = p.practice_id WHERE p.archived_at IS NULL;
CREATE MATERIALIZED VIEW practice_management.provider_load AS
  SELECT provider_id, date_trunc('month', starts_at, 'UTC') AS month, count(*) AS appointments FROM practice_management.appointments GROUP BY 1, 2;
CREATE UNIQUE INDEX provider_load_key ON practice_management.provider_load (provider_id, month);
CREATE FUNCTION practice_management.open_balance(patient text) RETURNS numeric
  LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT coalesce(sum(total), 0) FROM practice_management.invoices WHERE patient_id = patient AND NOT paid $$;
COMMENT ON FUNCTION practice_management.open_balance(text) IS 'What a patient still owes';
