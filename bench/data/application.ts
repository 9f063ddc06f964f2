import {
  amount,
  type Column,
  document,
  enumeration,
  flag,
  type GeneratedTable,
  label,
  prose,
  reference,
  tags,
  timestamp,
} from "./columns.ts";

const stamps = [timestamp("created_at"), timestamp("updated_at")];

type Rest = [name: string, key: GeneratedTable["key"], rows: number, columns: readonly Column[]];

function within(schema: string) {
  return (...[name, key, rows, columns]: Rest): GeneratedTable => ({ schema, name, key, rows, columns });
}

const inPublic = within("public");
const inPractice = within("practice_management");
const inRecords = within("medical_records");

const organization = inPublic("organization", "text", 0.2, [
  label("name", { unique: true }),
  document("settings"),
  ...stamps,
]);
const user = inPublic("user", "text", 8, [
  label("email", { unique: true }),
  label("name"),
  enumeration("status", ["ACTIVE", "INVITED", "SUSPENDED"]),
  flag("verified"),
  ...stamps,
]);
const account = inPublic("account", "text", 8, [
  reference("user_id", user),
  label("provider_account", { unique: true }),
  prose("refresh_token", 1),
]);
const session = inPublic("session", "text", 30, [
  reference("user_id", user),
  label("token", { unique: true }),
  timestamp("expires_at", { indexed: true }),
]);
const role = inPublic("role", "text", 0.5, [label("name", { unique: true }), tags("permissions")]);
const membership = inPublic("membership", "text", 8, [
  reference("user_id", user),
  reference("organization_id", organization),
  reference("role_id", role),
  ...stamps,
]);
const verificationToken = inPublic("verification_token", "text", 4, [
  label("token", { unique: true }),
  timestamp("expires_at"),
]);
const setting = inPublic("setting", "text", 2, [label("key", { unique: true }), document("value")]);
const notification = inPublic("notification", "uuid", 110, [
  reference("user_id", user),
  enumeration("channel", ["EMAIL", "SMS", "PUSH", "IN_APP"]),
  document("payload"),
  timestamp("read_at", { indexed: true }),
]);
const auditLog = inPublic("audit_log", "serial", 290, [
  reference("user_id", user, { isNullable: true }),
  enumeration("action", ["CREATE", "READ", "UPDATE", "DELETE"]),
  document("changes", { indexed: true }),
  timestamp("at", { indexed: true }),
]);
const file = inPublic("file", "uuid", 20, [
  reference("owner_id", user),
  label("name"),
  document("metadata"),
  ...stamps,
]);

const clinic = inPractice("clinic", "text", 0.3, [
  reference("organization_id", organization),
  label("name"),
  document("address"),
  ...stamps,
]);
const room = inPractice("room", "text", 1, [
  reference("clinic_id", clinic),
  label("name", { unique: true }),
  flag("open"),
]);
const doctor = inPractice("doctor", "text", 1, [
  reference("user_id", user),
  reference("clinic_id", clinic),
  tags("specialities"),
  prose("biography", 1),
  ...stamps,
]);
const schedule = inPractice("doctor_schedule", "text", 6, [
  reference("doctor_id", doctor),
  reference("room_id", room, { isNullable: true }),
  enumeration("weekday", ["MON", "TUE", "WED", "THU", "FRI"]),
  document("slots"),
]);
const patient = inPractice("patient", "uuid", 40, [
  reference("clinic_id", clinic),
  label("name"),
  label("number", { unique: true }),
  enumeration("sex", ["F", "M", "X"]),
  document("contact", { indexed: true }),
  ...stamps,
]);
const patientContact = inPractice("patient_contact", "uuid", 50, [
  reference("patient_id", patient),
  label("value"),
  enumeration("kind", ["PHONE", "EMAIL", "ADDRESS"]),
]);
const appointment = inPractice("appointment", "uuid", 190, [
  reference("patient_id", patient),
  reference("doctor_id", doctor),
  reference("room_id", room, { isNullable: true }),
  enumeration("status", ["BOOKED", "CONFIRMED", "DONE", "CANCELLED", "NO_SHOW"]),
  timestamp("starts_at", { indexed: true }),
  label("reason"),
  ...stamps,
]);
const reminder = inPractice("appointment_reminder", "uuid", 100, [
  reference("appointment_id", appointment),
  enumeration("state", ["PENDING", "SENT", "FAILED"]),
  timestamp("due_at", { indexed: true }),
]);
const invoice = inPractice("invoice", "serial", 80, [
  reference("patient_id", patient),
  label("number", { unique: true }),
  amount("total"),
  enumeration("state", ["DRAFT", "OPEN", "PAID", "VOID"]),
  ...stamps,
]);
const invoiceLine = inPractice("invoice_line", "serial", 190, [
  reference("invoice_id", invoice),
  label("description"),
  amount("price"),
]);
const payment = inPractice("payment", "uuid", 60, [
  reference("invoice_id", invoice),
  amount("paid"),
  enumeration("method", ["CARD", "CASH", "TRANSFER"]),
  ...stamps,
]);

const record = inRecords("medical_record", "uuid", 40, [
  reference("patient_id", patient),
  enumeration("blood_type", ["A", "B", "AB", "O"]),
  document("history", { paragraphs: 2 }),
  ...stamps,
]);
/** The one table of about 60 % of the bytes. */
const clinicalNote = inRecords("clinical_note", "uuid", 150, [
  reference("record_id", record),
  reference("author_id", doctor),
  enumeration("kind", ["PROGRESS", "INTAKE", "DISCHARGE", "PRESCRIPTION"]),
  prose("body", 7),
  document("structured", { paragraphs: 6 }),
  timestamp("written_at", { indexed: true }),
  ...stamps,
]);
const diagnosis = inRecords("diagnosis", "uuid", 60, [
  reference("record_id", record),
  label("code"),
  prose("description", 1),
  ...stamps,
]);
const prescription = inRecords("prescription", "uuid", 60, [
  reference("record_id", record),
  reference("doctor_id", doctor),
  enumeration("state", ["ACTIVE", "ENDED"]),
  ...stamps,
]);
const prescriptionItem = inRecords("prescription_item", "uuid", 130, [
  reference("prescription_id", prescription),
  label("drug"),
  document("dose"),
]);
const labOrder = inRecords("lab_order", "uuid", 50, [
  reference("record_id", record),
  enumeration("state", ["ORDERED", "TAKEN", "DONE"]),
  ...stamps,
]);
const labResult = inRecords("lab_result", "uuid", 160, [
  reference("order_id", labOrder),
  label("analyte"),
  amount("value"),
  document("raw", { indexed: true }),
  timestamp("measured_at", { indexed: true }),
]);
const allergy = inRecords("allergy", "uuid", 20, [
  reference("patient_id", patient),
  label("substance"),
  enumeration("severity", ["MILD", "MODERATE", "SEVERE"]),
]);
const vaccination = inRecords("vaccination", "uuid", 30, [
  reference("patient_id", patient),
  label("vaccine"),
  timestamp("given_at"),
]);
const attachment = inRecords("attachment", "uuid", 20, [
  reference("record_id", record),
  reference("file_id", file),
  tags("labels"),
  ...stamps,
]);
const consent = inRecords("consent", "uuid", 20, [
  reference("patient_id", patient),
  flag("given"),
  prose("wording", 1),
  timestamp("signed_at"),
]);

/** The 33 tables of an application as Prisma makes them; `rows` are those of one megabyte of heap and TOAST. */
export const applicationTables: readonly GeneratedTable[] = [
  ...[organization, user, account, session, role, membership, verificationToken, setting],
  ...[notification, auditLog, file],
  ...[clinic, room, doctor, schedule, patient, patientContact, appointment, reminder],
  ...[invoice, invoiceLine, payment],
  ...[record, clinicalNote, diagnosis, prescription, prescriptionItem, labOrder, labResult],
  ...[allergy, vaccination, attachment, consent],
];
