// Names of what rules speak of.

import { useMemo } from "react";

import { listChannels } from "../../api/channels";
import { listKpis, type Kpi } from "../../api/kpis";
import { listProcesses } from "../../api/processes";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import type { Names } from "./words";

const NAMES_MS = 120_000;

export function useNames(): Names & { kpis: readonly Kpi[] } {
  const { isOperator } = useSession();
  const kpis = usePoll(listKpis, { key: "kpis", intervalMs: NAMES_MS }).value;
  const processes = usePoll(listProcesses, { key: "processes", intervalMs: NAMES_MS }).value;
  // Viewers may not see channels; they read the ids.
  const channels = usePoll(listChannels, { key: "channels", intervalMs: NAMES_MS, enabled: isOperator }).value;
  return useMemo(() => ({
    kpis: kpis ?? [],
    kpi: new Map((kpis ?? []).map((k) => [k.id, { name: k.name, unit: k.unit }])),
    process: new Map((processes ?? []).map((p) => [p.id, p.name])),
    channel: new Map((channels ?? []).map((c) => [c.id, c.name])),
  }), [kpis, processes, channels]);
}
