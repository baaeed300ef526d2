/*
 * An order, from its arrival to its delivery, as a shop's program reports it.
 *
 *   javac -encoding UTF-8 -d . ../Branchline.java Order.java && java Order 4711
 */
public final class Order {
    private interface Report {
        void say() throws Branchline.ReportException;
    }

    /** A shop goes on selling when its monitoring does not work: it says so, and no more. */
    private static void report(Report report) {
        try {
            report.say();
        } catch (Branchline.ReportException failure) {
            System.err.println("not reported: " + failure.getMessage());
        }
    }

    private static Branchline.More of() {
        return new Branchline.More().process("order");
    }

    public static void main(String[] args) {
        String order = args.length > 0 ? args[0] : "4711";
        try (Branchline agent = new Branchline()) {
            report(() -> agent.stepBegin(order, "review",
                of().with("customer", "李华").with("amount", 129.5).with("express", true)));
            // ... what the shop does ...
            report(() -> agent.stepEnd(order, "review", of()));
            report(() -> agent.stepBegin(order, "pick", of()));
            report(() -> agent.stepEnd(order, "pick", of()));
            report(() -> agent.caseStatus(order, "delivered", of()));
            report(() -> agent.event("shutter.opened", null));
            report(() -> agent.metric("queue_length", 12, new Branchline.More().unit("orders").with("lane", "3")));
        }
    }
}
