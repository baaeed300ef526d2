/*
 * Reports to the Branchline agent of this machine, from Java (16 and newer); one file, nothing to install.
 *
 *   try (Branchline agent = new Branchline()) {
 *       agent.stepBegin("4711", "review",
 *           new Branchline.More().process("order").with("owner", "Li Hua").with("amount", 129.5));
 *       agent.caseStatus("4711", "completed", new Branchline.More().process("order"));
 *       agent.event("door.opened", new Branchline.More().with("door", "north 2"));
 *       agent.metric("queue_length", 12, new Branchline.More().unit("orders").with("lane", "3"));
 *   }
 *
 * Every call says one report and returns when the agent has it on disk: ACCEPTED, or REPEATED when its id was taken
 * before. Else it throws Refused (the report is wrong, and always will be) or Failed (not stored, or no answer). Every
 * report has an id, made here unless you give one: a report whose answer was lost is said again and is there once.
 * Whoever catches Failed may say the same later with more.id(failure.id).
 *
 * Attributes are texts, numbers and booleans; of a metric they are its labels, and texts. A client may be used by
 * several threads; a thread that is interrupted while it reports fails, and its connection is made anew.
 */
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

public final class Branchline implements AutoCloseable {
    public enum Result { ACCEPTED, REPEATED }

    /** A report that was not taken; id is its id. */
    public static class ReportException extends IOException {
        private static final long serialVersionUID = 1;
        public final String id;

        ReportException(String message, String id) {
            super(message);
            this.id = id;
        }
    }

    /** The report is wrong. */
    public static final class Refused extends ReportException {
        private static final long serialVersionUID = 1;

        Refused(String message, String id) {
            super(message, id);
        }
    }

    /** The agent has not stored it, or did not answer: it may be said again with the same id. */
    public static final class Failed extends ReportException {
        private static final long serialVersionUID = 1;

        Failed(String message, String id) {
            super(message, id);
        }
    }

    /** What may be said beside case and step; each may be left out. */
    public static final class More {
        private final Map<String, String> said = new LinkedHashMap<>();
        private final Map<String, Object> attributes = new LinkedHashMap<>();
        private String id;

        /** The process, as it is called at the centre. */
        public More process(String process) {
            said.put("process", process);
            return this;
        }

        /** At most 64 bytes; the same again within 24 h is the same report. */
        public More id(String id) {
            this.id = id;
            return this;
        }

        /** When it was; else it is now. */
        public More at(Instant at) {
            said.put("at", at.toString());
            return this;
        }

        /** Of a metric. */
        public More unit(String unit) {
            said.put("unit", unit);
            return this;
        }

        /** Of a metric: gauge, or counter, which only grows. */
        public More kind(String kind) {
            said.put("kind", kind);
            return this;
        }

        /** An attribute: text, a number or a Boolean. */
        public More with(String name, Object value) {
            attributes.put(name, value);
            return this;
        }
    }

    /** An attempt that came to nothing; unknown: the agent may have all of it. */
    private static final class Attempt extends Exception {
        private static final long serialVersionUID = 1;
        final boolean unknown;

        Attempt(String message, boolean unknown) {
            super(message);
            this.unknown = unknown;
        }
    }

    private static final List<String> PLACES =
        List.of("/run/branchline-agent/steps.sock", "/var/lib/branchline-agent/steps.sock");
    private static final List<String> OF_CASES = List.of("id", "at", "process", "case", "step");
    private static final Map<String, List<String>> OWN = Map.of("step", OF_CASES, "case", OF_CASES, "event",
        List.of("id", "at"), "metric", List.of("id", "at", "unit", "kind"));
    private static final Map<String, List<String>> MORE = Map.of("step", List.of("process", "at"), "case",
        List.of("process", "at"), "event", List.of("at"), "metric", List.of("unit", "kind", "at"));
    private static final long PAUSE_MS = 20;

    private final String path;
    private final long timeoutMs;
    private final long waitMs;
    private SocketChannel channel;
    private Selector selector;

    /** The socket is $BRANCHLINE_SOCKET, or where the agent has it by default. */
    public Branchline() {
        this(null, 12000, 0);
    }

    /**
     * timeoutMs: for one report, all attempts together (the agent answers within 8 s). waitMs: how much of it to
     * wait for an agent that is not there; 0: not at all.
     */
    public Branchline(String socket, long timeoutMs, long waitMs) {
        String named = socket != null ? socket : System.getenv("BRANCHLINE_SOCKET");
        path = named != null && !named.isEmpty() ? named : PLACES.get(Files.exists(Path.of(PLACES.get(0))) ? 0 : 1);
        this.timeoutMs = timeoutMs;
        this.waitMs = waitMs;
    }

    public Result stepBegin(String caseId, String step, More more) throws ReportException {
        return report("step begin", Arrays.asList(caseId, step), null, null, more);
    }

    public Result stepEnd(String caseId, String step, More more) throws ReportException {
        return report("step end", Arrays.asList(caseId, step), null, null, more);
    }

    /** Something happened in a case, in its step if that is not null. */
    public Result stepEvent(String caseId, String step, More more) throws ReportException {
        List<String> words = step == null ? Arrays.asList(caseId) : Arrays.asList(caseId, step);
        return report("step event", words, null, null, more);
    }

    /** What became of a case; status may be null. */
    public Result caseStatus(String caseId, String status, More more) throws ReportException {
        return report("case", Arrays.asList(caseId), null, status, more);
    }

    /** Something of this type happened, of no case. */
    public Result event(String type, More more) throws ReportException {
        return report("event", Arrays.asList(type), null, null, more);
    }

    public Result metric(String name, Number value, More more) throws ReportException {
        return report("metric", Arrays.asList(name), value, null, more);
    }

    @Override
    public synchronized void close() {
        try {
            if (selector != null)
                selector.close();
            if (channel != null)
                channel.close();
        } catch (IOException e) {
            // It is gone either way.
        }
        selector = null;
        channel = null;
    }

    private synchronized Result report(String verb, List<String> words, Number value, String status, More more)
        throws ReportException {
        More all = more != null ? more : new More();
        String id = all.id != null ? all.id : UUID.randomUUID().toString();
        ByteBuffer line;
        try {
            line = StandardCharsets.UTF_8.newEncoder().encode(
                CharBuffer.wrap(line(verb, words, value, status, id, all)));
        } catch (IllegalArgumentException e) {
            throw new Refused(verb + ": " + e.getMessage(), id);
        } catch (CharacterCodingException e) {
            throw new Refused(verb + ": expected text, got half a surrogate pair", id);
        }
        return tell(verb, line, id);
    }

    // ---- the agent ----

    private static long now() {
        return System.nanoTime() / 1000000;
    }

    /** Says it until there is an answer: as long as the limits allow. */
    private Result tell(String verb, ByteBuffer line, String id) throws ReportException {
        long start = now();
        boolean unknown = false;
        // A connection from earlier may have died long ago: that says nothing of the agent.
        for (boolean kept = channel != null;; kept = false) {
            String why;
            try {
                String answer = attempt(line.duplicate(), start + timeoutMs);
                if (answer.equals("ok") || answer.equals("ok repeated"))
                    return answer.equals("ok") ? Result.ACCEPTED : Result.REPEATED;
                throw new Refused(verb + ": " + answer.substring(7), id);
            } catch (Attempt failure) {
                close();
                unknown |= failure.unknown;
                why = failure.getMessage();
            } catch (RuntimeException | Error e) {
                close(); // the answer would be taken for the next one's
                throw e;
            }
            long spent = now() - start;
            boolean interrupted = Thread.currentThread().isInterrupted();
            if (interrupted || spent >= timeoutMs || (!kept && !unknown && spent >= waitMs))
                throw new Failed(verb + ": " + why + "; "
                    + (unknown ? "whether it has the report is not known: say it again with the same id"
                               : "nothing was stored"),
                    id);
            if (!kept)
                pause();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String attempt(ByteBuffer line, long deadline) throws Attempt {
        if (channel == null)
            connect();
        boolean said = false;
        String answer;
        try {
            said = say(line, deadline);
            answer = hear(deadline); // it may have said why before it closed
        } catch (IOException e) {
            throw new Attempt("the agent at " + path + ": " + e.getMessage(), said);
        }
        if (answer == null)
            throw new Attempt(now() >= deadline ? "no answer in time from the agent at " + path
                                                : "the agent at " + path + " went away", said);
        if (answer.startsWith("error: not stored") || answer.startsWith("error: too many connections"))
            throw new Attempt(answer.substring(7), false);
        if (answer.startsWith("error: not on disk") || !(answer.startsWith("ok") || answer.startsWith("error: ")))
            throw new Attempt(answer, true);
        return answer;
    }

    private void connect() throws Attempt {
        try {
            UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.configureBlocking(false);
            if (!channel.connect(address))
                throw new Attempt("the agent at " + path + " is too busy", false);
            selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
        } catch (IOException | IllegalArgumentException e) {
            throw new Attempt("no agent takes reports at " + path + " (" + e.getMessage() + "): is it running?", false);
        }
    }

    /** Waits until the connection can be read or written; false: not in time. */
    private boolean ready(int operation, long deadline) throws IOException {
        channel.keyFor(selector).interestOps(operation);
        for (long left; (left = deadline - now()) > 0;) {
            int n = selector.select(left);
            selector.selectedKeys().clear();
            if (n > 0)
                return true;
            if (Thread.currentThread().isInterrupted())
                throw new IOException("the thread was interrupted");
        }
        return false;
    }

    /** Whether all of it went to the agent. */
    private boolean say(ByteBuffer line, long deadline) throws IOException {
        try {
            while (line.hasRemaining() && ready(SelectionKey.OP_WRITE, deadline))
                channel.write(line);
        } catch (IOException e) {
            if (Thread.currentThread().isInterrupted())
                throw e;
        }
        return !line.hasRemaining();
    }

    /** One line of answer; null: none in time, or it went away. */
    private String hear(long deadline) throws IOException {
        ByteBuffer answer = ByteBuffer.allocate(4096);
        while (answer.hasRemaining() && ready(SelectionKey.OP_READ, deadline)) {
            if (channel.read(answer) < 0)
                return null;
            if (answer.position() > 0 && answer.get(answer.position() - 1) == '\n')
                return new String(answer.array(), 0, answer.position() - 1, StandardCharsets.UTF_8);
        }
        return null;
    }

    // ---- the line ----

    private static String line(String verb, List<String> words, Number value, String status, String id, More more) {
        String kind = verb.split(" ")[0];
        StringBuilder line = new StringBuilder(verb);
        for (String word : words)
            line.append(' ').append(quoted(word));
        if (kind.equals("metric"))
            line.append(' ').append(number(value));
        line.append(" id=").append(quoted(id));
        if (status != null)
            line.append(" status=").append(quoted(status));
        for (Map.Entry<String, String> said : more.said.entrySet()) {
            if (!MORE.get(kind).contains(said.getKey()))
                throw new IllegalArgumentException(said.getKey() + " does not belong to it");
            if (said.getValue() != null)
                line.append(' ').append(said.getKey()).append('=').append(quoted(said.getValue()));
        }
        for (Map.Entry<String, Object> a : more.attributes.entrySet())
            line.append(' ').append(name(a.getKey(), OWN.get(kind))).append('=').append(written(a.getValue()));
        return line.append('\n').toString();
    }

    private static String quoted(String text) {
        if (text == null)
            throw new IllegalArgumentException("expected text, got null");
        StringBuilder out = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            int which = "\"\\\n\r\t".indexOf(text.charAt(i));
            if (which >= 0)
                out.append('\\').append("\"\\nrt".charAt(which));
            else
                out.append(text.charAt(i));
        }
        return out.append('"').toString();
    }

    private static String number(Number value) {
        if (value == null || !Double.isFinite(value.doubleValue()))
            throw new IllegalArgumentException("expected a finite number, got " + value);
        return value.toString();
    }

    private static String written(Object value) {
        if (value instanceof Boolean)
            return value.toString();
        if (value instanceof Number)
            return number((Number)value);
        if (value instanceof CharSequence)
            return quoted(value.toString());
        throw new IllegalArgumentException("expected text, a number or a boolean, got " + value);
    }

    /** A name that the agent understands, and that means nothing else to it. */
    private static String name(String name, List<String> own) {
        boolean bad = name == null || name.isEmpty();
        for (int i = 0; !bad && i < name.length(); i++)
            bad = name.charAt(i) <= ' ' || "=\"\u007f".indexOf(name.charAt(i)) >= 0;
        if (bad)
            throw new IllegalArgumentException("a name is a text without space, = and quotes, not \"" + name + "\"");
        if (own.contains(name))
            throw new IllegalArgumentException("this name has a meaning of its own: " + name);
        return name;
    }
}
