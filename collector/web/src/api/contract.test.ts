// The collector's own tests write these files; here they are decoded.  A field renamed on one side fails on the other.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { decodeCaseDetail, decodeCases } from "./cases";
import { decodeChannel, decodeChannels } from "./channels";
import type { Decoder } from "./decode";
import { decodeDevice, decodeDevices, decodeUsage } from "./devices";
import { decodeExpressionCheck } from "./expressions";
import { decodeIncidentDetail, decodeIncidents } from "./incidents";
import { decodeCells, decodeKpi, decodeKpis, decodeParts } from "./kpis";
import { decodeGaps, decodeGapTotals, decodeRequeue, decodeSetAside, decodeStatus, decodeUnexplained } from "./ledger";
import { decodeLink } from "./link";
import { decodeMessages } from "./messages";
import { decodeOverview } from "./overview";
import { decodePeople } from "./people";
import { decodeProcess, decodeProcesses } from "./processes";
import { decodeRule, decodeRules, decodeRuns } from "./rules";
import { decodeOwnSessions, decodeSession } from "./session";
import { decodeSite, decodeSites } from "./sites";
import { decodeEvents, decodeQuery, decodeSeriesList } from "./telemetry";
import { decodeUsers } from "./users";

const FOLDER = join(import.meta.dirname, "../../../../tests/data/api");

const DECODERS: Record<string, Decoder<unknown>> = {
  "case.json": decodeCaseDetail,
  "cases.json": decodeCases,
  "cells.json": decodeCells,
  "channel.json": decodeChannel,
  "channels.json": decodeChannels,
  "device.json": decodeDevice,
  "devices.json": decodeDevices,
  "events.json": decodeEvents,
  "expression-check.json": decodeExpressionCheck,
  "gap-totals.json": decodeGapTotals,
  "gaps.json": decodeGaps,
  "incident.json": decodeIncidentDetail,
  "incidents.json": decodeIncidents,
  "kpi.json": decodeKpi,
  "kpis.json": decodeKpis,
  "link.json": decodeLink,
  "messages.json": decodeMessages,
  "overview.json": decodeOverview,
  "parts.json": decodeParts,
  "people.json": decodePeople,
  "process.json": decodeProcess,
  "processes.json": decodeProcesses,
  "query.json": decodeQuery,
  "requeue.json": decodeRequeue,
  "rule.json": decodeRule,
  "rules.json": decodeRules,
  "runs.json": decodeRuns,
  "series.json": decodeSeriesList,
  "session.json": decodeSession,
  "sessions.json": decodeOwnSessions,
  "set-aside.json": decodeSetAside,
  "site.json": decodeSite,
  "sites.json": decodeSites,
  "status.json": decodeStatus,
  "unexplained.json": decodeUnexplained,
  "usage.json": decodeUsage,
  "users.json": decodeUsers,
};
// What the app does not read (yet).
const UNREAD = ["coverage.json", "service.json", "problem.json"];

describe("contract with the collector", () => {
  it.each(Object.entries(DECODERS))("%s decodes", (file, decode) => {
    const raw: unknown = JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
    expect(() => decode(raw, file)).not.toThrow();
  });

  it("covers every file there is", () => {
    const files = readdirSync(FOLDER).filter((f) => f.endsWith(".json"));
    expect(files.filter((f) => DECODERS[f] === undefined && !UNREAD.includes(f))).toEqual([]);
  });

  it("finds a renamed field", () => {
    const raw = JSON.parse(readFileSync(join(FOLDER, "overview.json"), "utf8")) as Record<string, unknown>;
    raw["now_ms"] = raw["now_unix_ms"];
    delete raw["now_unix_ms"];
    expect(() => decodeOverview(raw, "overview")).toThrow("overview.now_unix_ms: expected number");
  });
});
