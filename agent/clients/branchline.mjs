/*
 * Reports to the Branchline agent of this machine, from Node (16 and newer); one file, nothing to install.
 *
 *   import { Client } from "./branchline.mjs";
 *
 *   const agent = new Client();
 *   await agent.stepBegin("4711", "review", { owner: "Li Hua", amount: 129.5 }, { process: "order" });
 *   await agent.case("4711", {}, { status: "completed", process: "order" });
 *   await agent.event("door.opened", { door: "north 2" });
 *   await agent.metric("queue_length", 12, { lane: "3" }, { unit: "orders" });
 *   agent.close();
 *
 * Every call says one report; its promise is kept when the agent has it on disk: "accepted", or "repeated" when its id
 * was taken before. Else it is broken with Refused (the report is wrong, and always will be) or Failed (not stored, or
 * no answer). Every report has an id, made here unless you give one: a report whose answer was lost is said again and
 * is there once. Whoever gets Failed may say the same later with { id: failure.id }.
 *
 * Attributes are texts, numbers and booleans; of a metric they are its labels, and texts. `at` is a Date, seconds since
 * 1970, or text as the agent reads it. Calls need not wait for each other: they are said in their order.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import net from "node:net";
import { performance } from "node:perf_hooks";

const PLACES = ["/run/branchline-agent/steps.sock", "/var/lib/branchline-agent/steps.sock"];
const ESCAPES = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const OF_CASES = ["id", "at", "process", "case", "step"];
const OWN = { step: OF_CASES, case: OF_CASES, event: ["id", "at"], metric: ["id", "at", "unit", "kind"] };
const MORE = {
  step: ["process", "at"],
  case: ["status", "process", "at"],
  event: ["at"],
  metric: ["unit", "kind", "at"],
};
const PATH_MAX = 107;
const PAUSE_MS = 20;

/* A report that was not taken; `id` is its id. */
export class BranchlineError extends Error {
  constructor(message, id) {
    super(message);
    this.name = this.constructor.name;
    this.id = id;
  }
}
/* The report is wrong. */
export class Refused extends BranchlineError {}
/* The agent has not stored it, or did not answer: it may be said again with the same id. */
export class Failed extends BranchlineError {}

/* An attempt that came to nothing; unknown: the agent may have all of it. */
class Attempt extends Error {
  constructor(message, unknown) {
    super(message);
    this.unknown = unknown;
  }
}

export class Client {
  /* timeout: milliseconds for one report, all attempts together (the agent answers within 8 s).
   * wait: how much of it to wait for an agent that is not there; 0: not at all. */
  constructor({ socket, timeout = 12000, wait = 0 } = {}) {
    this.path = socket || process.env.BRANCHLINE_SOCKET || (existsSync(PLACES[0]) ? PLACES[0] : PLACES[1]);
    this.timeout = timeout;
    this.wait = wait;
    this.connection = null;
    this.last = Promise.resolve(); // reports go one after another
  }

  /* more: { process, id, at } */
  stepBegin(caseId, step, attributes, more) {
    return this.#report("step begin", [caseId, step], attributes, more);
  }

  stepEnd(caseId, step, attributes, more) {
    return this.#report("step end", [caseId, step], attributes, more);
  }

  /* Something happened in a case, in its step `step` if it is not null. */
  stepEvent(caseId, step, attributes, more) {
    return this.#report("step event", step == null ? [caseId] : [caseId, step], attributes, more);
  }

  /* What became of a case. more: { status, process, id, at } */
  case(caseId, attributes, more) {
    return this.#report("case", [caseId], attributes, more);
  }

  /* Something of this type happened, of no case. more: { id, at } */
  event(type, attributes, more) {
    return this.#report("event", [type], attributes, more);
  }

  /* more: { unit, kind: "gauge" | "counter", id, at } */
  metric(name, value, labels, more) {
    return this.#report("metric", [name], labels, more, value);
  }

  close() {
    this.connection?.destroy();
    this.connection = null;
  }

  #report(verb, words, attributes, more, value) {
    const { id = randomBytes(16).toString("hex"), ...said } = more ?? {};
    let text;
    try {
      text = line(verb, words, attributes ?? {}, id, said, value);
    } catch (wrong) {
      return Promise.reject(new Refused(`${verb}: ${wrong.message}`, id));
    }
    const done = this.last.then(() => this.#tell(verb, text, id));
    this.last = done.catch(() => {});
    return done;
  }

  /* Says it until there is an answer: as long as the limits allow. */
  async #tell(verb, text, id) {
    const start = performance.now();
    const spent = () => performance.now() - start;
    let unknown = false;
    // A connection from earlier may have died long ago: that says nothing of the agent.
    for (let kept = this.connection !== null; ; kept = false) {
      let why;
      try {
        const answer = await this.#attempt(text, this.timeout - spent());
        if (answer === "ok" || answer === "ok repeated") return answer === "ok" ? "accepted" : "repeated";
        throw new Refused(`${verb}: ${answer.slice(7)}`, id);
      } catch (failure) {
        if (!(failure instanceof Attempt)) throw failure;
        this.close();
        unknown ||= failure.unknown;
        why = failure.message;
      }
      const now = spent();
      if (now >= this.timeout || (!kept && !unknown && now >= this.wait)) {
        const known = unknown
          ? "whether it has the report is not known: say it again with the same id"
          : "nothing was stored";
        throw new Failed(`${verb}: ${why}; ${known}`, id);
      }
      if (!kept) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #attempt(text, ms) {
    if (ms <= 0) throw new Attempt(`no answer in time from the agent at ${this.path}`, false);
    const answer = await this.#exchange(text, ms);
    if (answer.startsWith("error: not stored") || answer.startsWith("error: too many connections"))
      throw new Attempt(answer.slice(7), false);
    if (answer.startsWith("error: not on disk") || !/^(ok|error: )/.test(answer)) throw new Attempt(answer, true);
    return answer;
  }

  /* One line to the agent, one answer. */
  #exchange(text, ms) {
    if (Buffer.byteLength(this.path) > PATH_MAX)
      throw new Attempt(`the name of the socket is longer than ${PATH_MAX} bytes: ${this.path}`, false);
    return new Promise((resolve, reject) => {
      const connection = this.connection ?? net.createConnection({ path: this.path });
      let answer = "";
      let said = false;
      const end = (what, value) => {
        clearTimeout(timer);
        connection.removeAllListeners();
        connection.on("error", () => {}); // what comes later is found by the next report
        connection.once("close", () => {
          if (this.connection === connection) this.connection = null;
        });
        connection.unref(); // an idle connection keeps no program from ending
        what(value);
      };
      const fail = (message) => end(reject, new Attempt(message, said));
      const timer = setTimeout(() => fail(`no answer in time from the agent at ${this.path}`), ms);
      connection.removeAllListeners();
      connection.setEncoding("utf8");
      connection.ref();
      connection.on("error", (error) => {
        if (error.syscall === "connect" || error.code === "EPIPE") said = false;
        fail(connectFailure(error.code, this.path) ?? `the agent at ${this.path}: ${error.message}`);
      });
      connection.on("close", () => fail(`the agent at ${this.path} went away`));
      connection.on("end", () => fail(`the agent at ${this.path} went away`));
      connection.on("data", (data) => {
        answer += data;
        if (answer.endsWith("\n")) end(resolve, answer.slice(0, -1));
      });
      this.connection = connection;
      said = true;
      connection.write(text);
    });
  }
}

/* Why there is no connection; null: something else. */
function connectFailure(code, path) {
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return `no agent takes reports at ${path} (${code}): is it running?`;
  if (code === "EACCES" || code === "EPERM")
    return `not allowed to report at ${path}: inlets.steps of the agent's configuration says who is`;
  return null;
}

/* ---- the line ---- */

function line(verb, words, attributes, id, said, value) {
  const kind = verb.split(" ")[0];
  let text = [verb, ...words.map(quoted)].join(" ");
  if (kind === "metric") text += ` ${number(value)}`;
  text += ` id=${quoted(id)}`;
  for (const [name, what] of Object.entries(said)) {
    if (!MORE[kind].includes(name)) throw new TypeError(`expected ${MORE[kind].join(", ")} or id, got ${name}`);
    if (what != null) text += ` ${name}=${quoted(name === "at" ? time(what) : what)}`;
  }
  for (const [name, what] of Object.entries(attributes)) text += ` ${checkedName(name, OWN[kind])}=${written(what)}`;
  return `${text}\n`;
}

function quoted(text) {
  if (typeof text !== "string") throw new TypeError(`expected text, got ${String(text)}`);
  if (/\p{Surrogate}/u.test(text))
    throw new TypeError(`expected text, got half a surrogate pair in ${JSON.stringify(text)}`);
  return `"${text.replace(/["\\\n\r\t]/g, (c) => ESCAPES[c])}"`;
}

function number(value) {
  if (typeof value !== "bigint" && !Number.isFinite(value))
    throw new TypeError(`expected a finite number, got ${String(value)}`);
  return String(value);
}

function written(value) {
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" || typeof value === "bigint" ? number(value) : quoted(value);
}

/* A name that the agent understands, and that means nothing else to it. */
function checkedName(name, own) {
  if (!/^[^\u0000-\u0020="\u007f]+$/.test(name) || /\p{Surrogate}/u.test(name))
    throw new TypeError(`a name is a text without space, = and quotes, not ${JSON.stringify(name)}`);
  if (own.includes(name)) throw new TypeError(`this name has a meaning of its own: ${name}`);
  return name;
}

function time(at) {
  if (at instanceof Date) return at.toISOString();
  return typeof at === "number" ? at.toFixed(3) : at;
}
