/* A hundred reports over one client, none of which waits for another. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { Client } = await import(pathToFileURL(join(process.argv[2], "branchline.mjs")));
const agent = new Client({ timeout: 60000 });
const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => agent.event("node.crowd", { n })));
if (answers.some((answer) => answer !== "accepted")) throw new Error(answers.join());
console.log("node"); // and the program ends, though nobody closed the client
