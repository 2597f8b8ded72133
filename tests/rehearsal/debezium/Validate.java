import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.config.Configuration;
import io.debezium.config.Field;
import io.debezium.connector.postgresql.PostgresConnector;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.relational.TableId;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.config.ConfigValue;

/**
 * What Debezium's own PostgreSQL connector makes of files of properties, as JSON, a list: for each the
 * properties as Java reads them, the faults that the connector finds (it logs in to the database), the
 * keys that it does not know, whether it would be read-only, and which of the database's tables it would
 * capture, and take for the signal table.
 *
 * Usage: java -cp CLASSPATH Validate.java FILE...
 */
public class Validate {
    private static final Set<String> OF_KAFKA_CONNECT = Set.of("name", "connector.class", "tasks.max");
    private static final String TABLES =
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            + " WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            + " ORDER BY 1, 2";

    public static void main(String[] arguments) throws Exception {
        List<Map<String, Object>> answers = new ArrayList<>();
        for (String argument : arguments) {
            answers.add(answer(Path.of(argument)));
        }
        System.out.println(new ObjectMapper().writeValueAsString(answers));
    }

    private static Map<String, Object> answer(Path file) throws Exception {
        Map<String, String> properties = read(file);
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("version", new PostgresConnector().version());
        found.put("properties", properties);
        found.put("unknown", unknown(properties));
        Map<String, List<String>> faults = faults(properties);
        found.put("faults", faults);
        if (faults.isEmpty()) {
            look(properties, found);
        }
        return found;
    }

    private static Map<String, String> read(Path file) throws Exception {
        Properties read = new Properties();
        // As Kafka Connect reads it: Latin-1 bytes, with escapes for everything else.
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
            read.load(reader);
        }
        Map<String, String> properties = new TreeMap<>();
        read.stringPropertyNames().forEach(key -> properties.put(key, read.getProperty(key)));
        return properties;
    }

    private static Set<String> unknown(Map<String, String> properties) {
        Set<String> unknown = new TreeSet<>(properties.keySet());
        unknown.removeAll(OF_KAFKA_CONNECT);
        unknown.removeAll(new PostgresConnector().config().names());
        unknown.remove(PostgresConnectorConfig.READ_ONLY_CONNECTION.name()); // on no list of theirs
        unknown.remove("offset.mismatch.strategy"); // nor is that, and before 3.4 it is not there
        for (Field field : PostgresConnectorConfig.ALL_FIELDS) {
            unknown.remove(field.name());
        }
        return unknown;
    }

    private static Map<String, List<String>> faults(Map<String, String> properties) {
        Map<String, List<String>> faults = new TreeMap<>();
        for (ConfigValue value : new PostgresConnector().validate(properties).configValues()) {
            if (!value.errorMessages().isEmpty()) {
                faults.put(value.name(), value.errorMessages());
            }
        }
        return faults;
    }

    private static void look(Map<String, String> properties, Map<String, Object> found)
            throws Exception {
        PostgresConnectorConfig config = new PostgresConnectorConfig(Configuration.from(properties));
        List<List<String>> captured = new ArrayList<>();
        List<List<String>> signals = new ArrayList<>();
        Properties login = new Properties();
        login.put("user", properties.get("database.user"));
        login.put("password", properties.get("database.password"));
        login.put("sslmode", properties.get("database.sslmode"));
        String url = "jdbc:postgresql://" + properties.get("database.hostname") + ":"
                + properties.get("database.port") + "/" + properties.get("database.dbname");
        try (var connection = DriverManager.getConnection(url, login);
                var rows = connection.createStatement().executeQuery(TABLES)) {
            while (rows.next()) {
                TableId table = new TableId(null, rows.getString(1), rows.getString(2));
                List<String> name = List.of(table.schema(), table.table());
                if (config.getTableFilters().dataCollectionFilter().isIncluded(table)) {
                    captured.add(name);
                }
                if (config.isSignalDataCollection(table)) {
                    signals.add(name);
                }
            }
        }
        found.put("readOnly", config.isReadOnlyConnection());
        found.put("captured", captured);
        found.put("signal", signals);
    }
}
