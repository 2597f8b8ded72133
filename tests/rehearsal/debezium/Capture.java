import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Executors;

/**
 * Debezium itself, capturing with a file of properties, its offsets in memory. Each event of a row is a
 * line of JSON: schema, table, operation (r, c, u, d), the row's id and its columns' names. Ends when
 * its input does.
 *
 * Usage: java -cp CLASSPATH Capture.java FILE [KEY=VALUE...]
 */
public class Capture {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty(
                "offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        try (Reader reader =
                Files.newBufferedReader(Path.of(arguments[0]), StandardCharsets.ISO_8859_1)) {
            properties.load(reader);
        }
        for (String more : List.of(arguments).subList(1, arguments.length)) {
            properties.setProperty(more.split("=", 2)[0], more.split("=", 2)[1]);
        }
        var engine = DebeziumEngine.create(Json.class)
                .using(properties)
                .using((isSuccess, message, error) -> {
                    if (!isSuccess) {
                        System.err.println(message);
                        System.exit(1);
                    }
                })
                .notifying(Capture::tell)
                .build();
        var executor = Executors.newSingleThreadExecutor();
        executor.execute(engine);
        while (System.in.read() >= 0) {
            continue;
        }
        engine.close();
        executor.shutdown();
    }

    private static void tell(ChangeEvent<String, String> event) {
        try {
            JsonNode payload = event.value() == null
                    ? MAPPER.nullNode()
                    : MAPPER.readTree(event.value()).path("payload");
            if (payload.hasNonNull("op")) {
                JsonNode source = payload.get("source");
                JsonNode row = payload.get(payload.get("op").asText().equals("d") ? "before" : "after");
                System.out.println(MAPPER.writeValueAsString(List.of(
                        source.get("schema"),
                        source.get("table"),
                        payload.get("op"),
                        row.get("id"),
                        row.fieldNames())));
            }
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }
}
