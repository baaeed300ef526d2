// What an application does with statsd-client, which speaks StatsD as it was at first.
// usage: node statsd_client.cjs PORT
// It ends by itself, once all is sent.
const Client = require("statsd-client");

const client = new Client({ host: "127.0.0.1", port: Number(process.argv[2]), prefix: "etsy", socketTimeout: 50 });
for (let i = 0; i < 100; i++) client.increment("orders");
client.increment("orders", 5);
client.decrement("stock", 4);
client.gauge("queue", 10);
client.gaugeDelta("queue", 5);
client.gaugeDelta("queue", -2);
client.timing("page", 120);
client.histogram("size", 3);
client.set("users", "li");
client.set("users", "wang");
client.getChildClient("child").increment("calls", 2, { shop: "7", tier: "gold" });
