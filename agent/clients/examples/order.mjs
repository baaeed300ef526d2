/* An order, from its arrival to its delivery, as a shop's program reports it: node order.mjs 4711 */
import { BranchlineError, Client } from "../branchline.mjs";

const order = process.argv[2] ?? "4711";
const agent = new Client();

/* A shop goes on selling when its monitoring does not work: it says so, and no more. */
async function report(said) {
  try {
    await said;
  } catch (failure) {
    if (!(failure instanceof BranchlineError)) throw failure;
    console.error(`not reported: ${failure.message}`);
  }
}

const of = { process: "order" };
await report(agent.stepBegin(order, "review", { customer: "李华", amount: 129.5, express: true }, of));
// ... what the shop does ...
await report(agent.stepEnd(order, "review", {}, of));
await report(agent.stepBegin(order, "pick", {}, of));
await report(agent.stepEnd(order, "pick", {}, of));
await report(agent.case(order, {}, { status: "delivered", ...of }));
await report(agent.event("shutter.opened"));
await report(agent.metric("queue_length", 12, { lane: "3" }, { unit: "orders" }));
agent.close();
