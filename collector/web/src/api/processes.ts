// Processes: the named steps that cases go through, and when a case has ended.

import { array, object, page, str, withDefault, type Decoded } from "./decode";
import { changeDefinition, createDefinition, headShape, listDefinitions, listVersions, pathOf, type Draft } from "./definitions";
import { getJson, type Result } from "./http";

export const decodeProcess = object({ ...headShape, steps: withDefault(array(str), []), done: withDefault(str, "") });
export type Process = Decoded<typeof decodeProcess>;
export const decodeProcesses = page(decodeProcess);

export function listProcesses(signal?: AbortSignal): Promise<Result<Process[]>> {
  return listDefinitions("processes", decodeProcesses, signal);
}

export function getProcess(id: string, signal?: AbortSignal): Promise<Result<Process>> {
  return getJson(pathOf("processes", id), decodeProcess, signal);
}

export function processVersions(id: string, signal?: AbortSignal): Promise<Result<Process[]>> {
  return listVersions("processes", id, decodeProcesses, signal);
}

export function createProcess(draft: Draft): Promise<Result<Process>> {
  return createDefinition("processes", draft, decodeProcess);
}

export function changeProcess(process: { id: string; version: number }, draft: Draft): Promise<Result<Process>> {
  return changeDefinition("processes", process, draft, decodeProcess);
}
