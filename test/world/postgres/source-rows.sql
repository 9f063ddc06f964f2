-- Everything is generated from row numbers: the same content in every run. The number of patients is the measure of all.
CREATE FUNCTION pg_temp.cuid(kind text, n bigint) RETURNS text
  LANGUAGE sql IMMUTABLE AS $$ SELECT 'c' || left(md5(kind || n), 24) $$;
CREATE FUNCTION pg_temp.id(kind text, n bigint) RETURNS uuid
  LANGUAGE sql IMMUTABLE AS $$ SELECT md5(kind || n)::uuid $$;
CREATE FUNCTION pg_temp.patients() RETURNS integer
  LANGUAGE sql STABLE AS $$ SELECT current_setting('world.patients')::integer $$;
CREATE FUNCTION pg_temp.instant(minutes bigint) RETURNS timestamptz
  LANGUAGE sql IMMUTABLE AS $$ SELECT timestamptz '2023-03-01 08:00:00.123456Z' + minutes * interval '1 minute' $$;

INSERT INTO public._prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
  SELECT pg_temp.id('migration', g)::text, encode(sha256(('migration' || g)::bytea), 'hex'), pg_temp.instant(g * 9000 + 1),
    to_char(pg_temp.instant(g * 9000), 'YYYYMMDDHH24MISS') || '_step_' || g, pg_temp.instant(g * 9000), 1 FROM generate_series(1, 24) g;
INSERT INTO public."Organization" SELECT pg_temp.cuid('organization', g), 'Clínica ' || g, 'clinica-' || g,
    jsonb_build_object('locale', 'es', 'beds', g * 10), pg_temp.instant(g) FROM generate_series(1, 5) g;
INSERT INTO public."User"
  SELECT pg_temp.cuid('user', g), 'user' || g || '@example.test', CASE WHEN g % 17 > 0 THEN 'Usuario Ñandú ' || g END,
    (enum_range(NULL::public."Role"))[1 + g % 4], pg_temp.cuid('organization', 1 + g % 5), md5('password' || g),
    CASE WHEN g % 3 = 0 THEN pg_temp.instant(g) END, ARRAY['tag' || g % 7, 'größe, "quoted"'], pg_temp.instant(g), pg_temp.instant(g + 60)
  FROM generate_series(1, 100 + pg_temp.patients() / 10) g;
INSERT INTO public."Account" SELECT pg_temp.cuid('account', g), pg_temp.cuid('user', g), 'google', md5('account' || g), 'openid email', 1700000000 + g
  FROM generate_series(1, 100) g;
INSERT INTO public."Session" SELECT pg_temp.cuid('session', g), md5('token' || g), pg_temp.cuid('user', 1 + g % 100), pg_temp.instant(g), '10.0.0.0'::inet + g
  FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO public."VerificationToken" SELECT 'user' || g || '@example.test', md5('verify' || g), pg_temp.instant(g) FROM generate_series(1, 50) g;
INSERT INTO public."ApiKey" SELECT pg_temp.id('key', g), pg_temp.cuid('user', g), sha256(('key' || g)::bytea), pg_temp.instant(g) FROM generate_series(1, 20) g;
INSERT INTO public."FeatureFlag" SELECT 'flag-' || g, g % 2 = 0, g * 2.5, '{"b": 1,  "a": [1, 2]}' FROM generate_series(1, 20) g;
INSERT INTO public."Notification" SELECT pg_temp.cuid('notification', g), pg_temp.cuid('user', 1 + g % 100),
    (enum_range(NULL::public."NotificationChannel"))[1 + g % 3], jsonb_build_object('template', 'reminder', 'n', g, 'nested', jsonb_build_array(g, NULL, 'ü')),
    CASE WHEN g % 4 > 0 THEN pg_temp.instant(g + 5) END, pg_temp.instant(g) FROM generate_series(1, pg_temp.patients() * 3) g;
INSERT INTO public."FileAsset" SELECT pg_temp.id('file', g), pg_temp.cuid('user', 1 + g % 100), 'scan-' || g || '.pdf',
    decode(repeat(md5('file' || g), 1 + g % 200), 'hex'), sha256(('file' || g)::bytea), CASE WHEN g % 2 = 0 THEN pg_temp.cuid('patient', g) END FROM generate_series(1, pg_temp.patients() / 8) g;
INSERT INTO public."SeoPage" (slug, title, body, "publishedAt") SELECT 'pagina-' || g, 'Especialista número ' || g,
    repeat('Texto de ejemplo sobre salud. ', 1 + g % 20), pg_temp.instant(g) FROM generate_series(1, 300) g;
INSERT INTO public."AuditLog" ("tableName", action, "rowId", "at") SELECT 'patients', 'INSERT', pg_temp.cuid('patient', g), pg_temp.instant(g)
  FROM generate_series(1, pg_temp.patients()) g;

INSERT INTO practice_management.practices SELECT pg_temp.id('practice', g), 'Consulta ' || g,
    ROW('Calle Mayor ' || g, 'Madrid', '28' || lpad(g::text, 3, '0'), 'ES')::public.postal_address, NULL, pg_temp.cuid('organization', 1 + g % 5)
  FROM generate_series(1, 10) g;
INSERT INTO practice_management.locations (practice_id, name, position, floor) SELECT pg_temp.id('practice', 1 + g % 10), 'Sala ' || g, point(g, -g / 3.0), g % 4
  FROM generate_series(1, 30) g;
INSERT INTO practice_management.providers (id, "userId", practice_id, display_name, phone, specialties, rating)
  SELECT pg_temp.id('provider', g), pg_temp.cuid('user', g), pg_temp.id('practice', 1 + g % 10), 'Dra. ' || g, '+34 600-' || lpad(g::text, 6, '0'),
    ARRAY['cardiología', 'pediatría'], CASE WHEN g % 9 = 0 THEN 'NaN' ELSE g / 7.0 END FROM generate_series(1, 60) g;
UPDATE practice_management.practices SET owner_provider_id = (SELECT min(id::text)::uuid FROM practice_management.providers WHERE practice_id = practices.id);
INSERT INTO practice_management.provider_schedules (provider_id, weekday, opens, closes)
  SELECT pg_temp.id('provider', p), d, '08:30', '17:00' FROM generate_series(1, 60) p, generate_series(1, 5) d;
INSERT INTO practice_management.closures (during, reason) SELECT tstzrange(pg_temp.instant(g * 20000), pg_temp.instant(g * 20000 + 1440)), 'fiesta'
  FROM generate_series(1, 40) g;
INSERT INTO practice_management.appointment_types SELECT 'T' || g, 'Tipo ' || g, g * interval '10 minutes', g * 12.50 FROM generate_series(1, 8) g;
INSERT INTO practice_management.insurers SELECT g, 'Aseguradora ' || g FROM generate_series(1, 12) g;

INSERT INTO medical_records.patients SELECT pg_temp.cuid('patient', g), 'SENTINELMRN' || lpad(g::text, 8, '0'), 'SENTINELMRN Paciente ' || g,
    date '1930-01-01' + (g * 37 % 33000), (ARRAY['F', 'M', NULL])[1 + g % 3], ROW('Avenida ' || g, 'Sevilla', '41001', 'ES')::public.postal_address,
    pg_temp.cuid('user', 1 + g % 100), pg_temp.id('practice', 1 + g % 10), jsonb_build_object('blood', (ARRAY['A', 'B', '0'])[1 + g % 3], 'weight', g % 90 + 0.5),
    CASE WHEN g % 50 = 0 THEN pg_temp.instant(g) END FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO practice_management.appointments SELECT pg_temp.id('appointment', g), pg_temp.cuid('patient', 1 + g % pg_temp.patients()), pg_temp.id('provider', 1 + g % 60),
    100 + 10 * (g % 30), 'T' || 1 + g % 8, (enum_range(NULL::practice_management.appointment_status))[1 + g % 5], pg_temp.instant(g * 30), pg_temp.instant(g * 30 + 20),
    CASE WHEN g % 5 = 0 THEN E'tab\there, newline\nthere, backslash \\ and \\N' END FROM generate_series(1, pg_temp.patients() * 4) g;
INSERT INTO practice_management.waitlist SELECT pg_temp.cuid('patient', g), 'T' || 1 + g % 8, date '2025-01-01' + g FROM generate_series(1, least(200, pg_temp.patients())) g;
INSERT INTO practice_management.insurance_policies SELECT pg_temp.cuid('policy', g), pg_temp.cuid('patient', g), 1 + g % 12, 'POL-' || g,
    daterange('2024-01-01', CASE WHEN g % 2 = 0 THEN date '2027-01-01' END) FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO practice_management.invoices (id, patient_id, issued_on, total, paid) SELECT pg_temp.cuid('invoice', g), pg_temp.cuid('patient', 1 + g % pg_temp.patients()),
    date '2024-01-01' + g % 700, (g % 500) * 1.21, g % 2 = 0 FROM generate_series(1, pg_temp.patients() * 2) g;
INSERT INTO practice_management.invoice_lines (invoice_id, line, description, quantity, unit_price)
  SELECT pg_temp.cuid('invoice', g), l, 'Servicio ' || l, l, g % 100 + 0.99 FROM generate_series(1, pg_temp.patients() * 2) g, generate_series(1, 3) l;
INSERT INTO practice_management.payments SELECT pg_temp.id('payment', g), pg_temp.cuid('invoice', g * 2), g % 500 + 0.01, pg_temp.instant(g), jsonb_build_object('method', 'card')
  FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO practice_management.claims (policy_id, invoice_id, submitted_at) SELECT pg_temp.cuid('policy', g), pg_temp.cuid('invoice', g), pg_temp.instant(g)
  FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO practice_management.tasks SELECT pg_temp.cuid('task', g), pg_temp.cuid('user', 1 + g % 100), 'Llamar ' || g, g % 3 = 0, date '2025-06-01' + g % 90,
    CASE WHEN g > 1 THEN pg_temp.cuid('task', g / 2) END FROM generate_series(1, pg_temp.patients()) g;

INSERT INTO medical_records.encounters SELECT pg_temp.id('encounter', g), pg_temp.cuid('patient', 1 + g % pg_temp.patients()), pg_temp.id('provider', 1 + g % 60),
    CASE WHEN g % 6 > 0 THEN pg_temp.id('appointment', g) END, (enum_range(NULL::medical_records.encounter_kind))[1 + g % 4], pg_temp.instant(g * 30), 'Motivo ' || g
  FROM generate_series(1, pg_temp.patients() * 4) g;
INSERT INTO medical_records.diagnoses (encounter_id, icd10, certainty, onset) SELECT pg_temp.id('encounter', g), 'J' || g % 99 || '.' || g % 9, g % 100 / 100.0,
    CASE WHEN g % 100 = 0 THEN date 'infinity' ELSE date '2020-01-01' + g % 1500 END FROM generate_series(1, pg_temp.patients() * 4) g;
INSERT INTO medical_records.medications SELECT g, 'Medicamento ' || g, g * 5 || ' mg', ARRAY['A' || g, 'B' || g % 9] FROM generate_series(1, 250) g;
INSERT INTO medical_records.prescriptions SELECT pg_temp.id('prescription', g), pg_temp.id('encounter', g), 1 + g % 250, g % 40 * 0.125,
    jsonb_build_object('times', jsonb_build_array('08:00', '20:00')), date '2024-01-01' + g % 600, 7 + g % 21 FROM generate_series(1, pg_temp.patients() * 4) g;
INSERT INTO medical_records.lab_orders SELECT pg_temp.id('order', g), pg_temp.id('encounter', g), 'hemograma', pg_temp.instant(g * 60) FROM generate_series(1, pg_temp.patients() * 2) g;
INSERT INTO medical_records.lab_results SELECT g, pg_temp.instant(g * 30), pg_temp.id('order', 1 + g % (pg_temp.patients() * 2)), 'analito ' || g % 30, g / 3.0, 'mg/dL', g % 11 = 0
  FROM generate_series(1, pg_temp.patients() * 10) g;
INSERT INTO medical_records.vital_signs (patient_id, taken_at, systolic, diastolic, temperature) SELECT pg_temp.cuid('patient', 1 + g % pg_temp.patients()), pg_temp.instant(g * 10),
    110 + g % 50, 60 + g % 40, 36 + g % 30 / 10.0 FROM generate_series(1, pg_temp.patients() * 10) g;
INSERT INTO medical_records.clinical_notes SELECT pg_temp.id('note', g), pg_temp.id('encounter', g), pg_temp.cuid('user', 1 + g % 100),
    'SENTINELMRN nota ' || g || E':\n' || repeat(md5('note' || g) || ' ', 1 + g % 90), g % 2 = 0, 1 + g % 3 FROM generate_series(1, pg_temp.patients() * 2) g;
INSERT INTO medical_records.allergies SELECT pg_temp.cuid('patient', g), 'sustancia ' || g % 40, 1 + g % 4 FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO medical_records.immunizations SELECT pg_temp.id('immunization', g), pg_temp.cuid('patient', g), 'vacuna ' || g % 15, date '2022-01-01' + g % 900, 'L' || g
  FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO medical_records.consents SELECT pg_temp.id('consent', g), pg_temp.cuid('patient', g), 'tratamiento', g % 20 > 0, pg_temp.instant(g), sha256(('consent' || g)::bytea)
  FROM generate_series(1, pg_temp.patients()) g;
INSERT INTO medical_records.care_plans SELECT pg_temp.cuid('plan', g), pg_temp.cuid('patient', g), ARRAY[jsonb_build_object('goal', g), '{"done": false}'], interval '1 mon 2 days 03:04:05'
  FROM generate_series(1, greatest(1, pg_temp.patients() / 4)) g;
