/* Says what it reads; see driver.py. */
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const { Client } = await import(pathToFileURL(join(process.argv[2], "branchline.mjs")));
const agent = new Client({ timeout: Number(process.argv[3]), wait: Number(process.argv[4]) });
const TYPES = { t: (text) => text, n: Number, b: (text) => text === "true" };

function say([verb, ...fields]) {
  const said = {};
  const attributes = {};
  for (const field of fields) {
    const [name, value] = [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)];
    if (name[1] === ":") attributes[name.slice(2)] = TYPES[name[0]](value);
    else said[name] = value;
  }
  const { case: caseId, step, type, name, value, ...more } = said;
  if (more.at) more.at = Number(more.at);
  switch (verb) {
    case "step_begin":
      return agent.stepBegin(caseId, step, attributes, more);
    case "step_end":
      return agent.stepEnd(caseId, step, attributes, more);
    case "step_event":
      return agent.stepEvent(caseId, step, attributes, more);
    case "case":
      return agent.case(caseId, attributes, more);
    case "event":
      return agent.event(type, attributes, more);
    default:
      return agent.metric(name, Number(value), attributes, more);
  }
}

let text = "";
process.stdin.setEncoding("utf8");
for await (const chunk of process.stdin) {
  text += chunk;
  for (let end; (end = text.indexOf("\x1e")) >= 0; text = text.slice(end + 1)) {
    const answer = await say(text.slice(0, end).split("\x1f")).catch((e) => `${e.name.toLowerCase()} ${e.message}`);
    process.stdout.write(`${answer}\x1e`);
  }
}
