import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.PrintWriter;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Writes the values of all records, a line each, until one holds the given text. */
public class Capture {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of(args[0]))) {
            properties.load(file);
        }
        CountDownLatch ended = new CountDownLatch(1);
        try (PrintWriter out = new PrintWriter(args[1]);
                DebeziumEngine<ChangeEvent<String, String>> engine =
                        DebeziumEngine.create(Json.class)
                                .using(properties)
                                .notifying(
                                        record -> {
                                            out.println(record.value());
                                            out.flush();
                                            if (String.valueOf(record.value()).contains(args[2])) {
                                                ended.countDown();
                                            }
                                        })
                                .build()) {
            Executors.newSingleThreadExecutor().execute(engine);
            if (!ended.await(100, TimeUnit.SECONDS)) System.exit(1);
        }
        System.exit(0);
    }
}
