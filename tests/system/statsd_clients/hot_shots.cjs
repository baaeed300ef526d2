// What an application does with hot-shots, once as DogStatsD and once as Telegraf.
// usage: node hot_shots.cjs PORT
const StatsD = require("hot-shots");

const port = Number(process.argv[2]);
Math.random = () => 0; // a sample rate lets everything through: what is made up for is known

function report(options, prefix) {
  const client = new StatsD({
    host: "127.0.0.1", port, prefix, globalTags: { env: "prod" }, maxBufferSize: 1000,
    errorHandler: (error) => { console.error(error); process.exit(1); }, ...options,
  });
  for (let i = 0; i < 500; i++) client.increment("orders.created", 2);
  client.increment("orders.created", 1, { shop: "7" });
  client.increment(["a.first", "a.second"]);
  client.decrement("stock", 3);
  client.increment("sampled", 1, 0.25);
  client.gauge("queue", 17.5);
  client.gaugeDelta("queue", -2.5);
  client.gauge("负载", 3);
  for (const ms of [10, 20, 40]) client.timing("page.load", ms);
  for (const n of [1, 2, 3]) client.histogram("size", n);
  client.distribution("weight", 12.25);
  for (const user of ["li", "wang", "li"]) client.unique("users", user);
  client.timer(() => {}, "work")();
  if (!options.telegraf) {
    client.event("Deploy", "first line\nsecond line", { alert_type: "warning", priority: "low", source_type_name: "ci" }, { shop: "7" });
    client.check("db.up", client.CHECKS.CRITICAL, { hostname: "till-7", message: "no answer" }, { shop: "7" });
  }
  return new Promise((done) => client.close(done));
}

(async () => {
  await report({ includeDatadogTelemetry: true }, "dog.");
  await report({ telegraf: true }, "tele.");
})();
