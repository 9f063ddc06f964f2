import { describe } from "vitest";
import { testEngine } from "./conformance.ts";

describe("host on Pulumi's testing mocks", () => testEngine("mocks"));
