// A worker of the queue "mails", with JDBC.  README.md beside it explains the loop.
import java.sql.*;
import java.util.*;
public class Worker {
    static final String QUEUE = System.getenv().getOrDefault("QUEUE", "mails"), URL = System.getenv("JDBC_URL");
    static final int LEASE = Integer.parseInt(System.getenv().getOrDefault("LEASE", "30")); // seconds
    static final Timer TIMER = new Timer(true);
    static Connection connection;
    static volatile Statement waiting; static volatile boolean stopping;
    // The work.  It may happen twice, so whatever it calls should be given the message's id as a key.
    static void deliver(long id, int attempt, String to, double seconds) throws Exception {
        if (!to.contains("@")) throw new IllegalArgumentException("no address: " + to); // no other attempt will heal it
        if (to.startsWith("busy") && attempt == 1) throw new Exception("the mailbox is busy");
        Thread.sleep((long) (1000 * seconds));
        System.out.println("sent " + id + " " + to + " " + attempt);
    }

    // The rows of a statement.  Repeated when the connection is lost, as a receipt works once.
    static synchronized ResultSet call(String sql, Object... args) {
        while (true) try {
            if (connection == null || connection.isClosed()) connection = DriverManager.getConnection(URL);
            PreparedStatement statement = connection.prepareStatement(sql);
            for (int i = 0; i < args.length; i++) statement.setObject(i + 1, args[i]);
            waiting = sql.startsWith("CALL") ? statement : null;
            return statement.executeQuery();
        } catch (SQLException error) { // WF008, a stale receipt: the lease was over, or a call before this got through
            if (stopping && waiting != null || error.getSQLState().equals("WF008")) return null;
            if (!error.getSQLState().matches("(08|57).*")) throw new IllegalStateException(error);
            System.err.println(error.getMessage());
            java.util.concurrent.locks.LockSupport.parkNanos(1_000_000_000);
        }
    }

    static void handle(ResultSet m, String receipt) throws Exception {
        String extend = "SELECT workflow.extend(?, ?::interval)";
        TimerTask keeper = new TimerTask() { public void run() { call(extend, receipt, LEASE + " s"); } };
        TIMER.schedule(keeper, LEASE * 333, LEASE * 333);
        try {
            deliver(m.getLong("message_id"), m.getInt("attempt"), m.getString("to"), m.getDouble("seconds"));
            call("SELECT workflow.ack(?, jsonb_build_object('delivered', ?))", receipt, m.getString("to"));
        } catch (Exception e) {
            call("SELECT workflow.nack(?, ?, final => ?)", receipt, e.getMessage(), e instanceof RuntimeException);
        }
        keeper.cancel();
    }

    public static void main(String[] args) throws Exception {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            try { if (waiting != null) waiting.cancel(); main.join(); } catch (Exception gone) { }
        }));
        while (!stopping) {
            ResultSet m = call("SELECT *, payload->>'to' AS to, payload->>'seconds' AS seconds"
                + " FROM workflow.receive(?, 1, ?::interval)", QUEUE, LEASE + " s");
            if (m != null && m.next()) handle(m, m.getString("receipt"));
            else call("CALL workflow.wait_for_messages(?, '30 s')", QUEUE);
        }
    }
}
