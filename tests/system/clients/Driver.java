/* Says what it reads; see driver.py. */
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;

public final class Driver {
    private static Object typed(char type, String text) {
        if (type == 'b')
            return text.equals("true");
        if (type == 't')
            return text;
        return text.matches("-?[0-9]+") ? (Number)Long.valueOf(text) : (Number)Double.valueOf(text);
    }

    private static Branchline.Result say(Branchline agent, String[] fields) throws Branchline.ReportException {
        Branchline.More more = new Branchline.More();
        Map<String, String> said = new HashMap<>();
        for (int i = 1; i < fields.length; i++) {
            String[] pair = fields[i].split("=", 2);
            if (pair[0].length() > 1 && pair[0].charAt(1) == ':')
                more.with(pair[0].substring(2), typed(pair[0].charAt(0), pair[1]));
            else
                said.put(pair[0], pair[1]);
        }
        if (said.containsKey("process"))
            more.process(said.get("process"));
        if (said.containsKey("id"))
            more.id(said.get("id"));
        if (said.containsKey("unit"))
            more.unit(said.get("unit"));
        if (said.containsKey("kind"))
            more.kind(said.get("kind"));
        if (said.containsKey("at"))
            more.at(Instant.ofEpochMilli(Math.round(Double.parseDouble(said.get("at")) * 1000)));
        switch (fields[0]) {
        case "step_begin":
            return agent.stepBegin(said.get("case"), said.get("step"), more);
        case "step_end":
            return agent.stepEnd(said.get("case"), said.get("step"), more);
        case "step_event":
            return agent.stepEvent(said.get("case"), said.get("step"), more);
        case "case":
            return agent.caseStatus(said.get("case"), said.get("status"), more);
        case "event":
            return agent.event(said.get("type"), more);
        default:
            return agent.metric(said.get("name"), (Number)typed('n', said.get("value")), more);
        }
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (Branchline agent = new Branchline(null, Long.parseLong(args[1]), Long.parseLong(args[2]));
             Scanner in = new Scanner(new InputStreamReader(System.in, StandardCharsets.UTF_8)).useDelimiter("\u001e")) {
            while (in.hasNext()) {
                String answer;
                try {
                    answer = say(agent, in.next().split("\u001f", -1)).toString().toLowerCase();
                } catch (Branchline.ReportException e) {
                    answer = e.getClass().getSimpleName().toLowerCase() + " " + e.getMessage();
                }
                out.print(answer + "\u001e");
                out.flush();
            }
        }
    }
}
