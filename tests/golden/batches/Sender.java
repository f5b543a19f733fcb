import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A channel adapter as many write it: each topic named gets one batch, of that kind and codec. */
public final class Sender {
    private static final String TEXT = "Lampu jalan di depan pasar padam sejak Senin. ";

    public static void main(String[] arguments) throws Exception {
        for (int n = 1; n < arguments.length; n++) {
            String[] said = arguments[n].split("-");
            send(arguments[0], arguments[n], said[0], said[1]);
        }
    }

    private static void send(String kafka, String topic, String kind, String codec)
            throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", kafka);
        settings.put("compression.type", codec);
        settings.put("linger.ms", "2000");
        settings.put("batch.size", "2000000");
        settings.put("max.request.size", "4000000");
        boolean isTransactional = kind.equals("transaction");
        if (isTransactional) {
            settings.put("transactional.id", topic);
        }
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
            if (isTransactional) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < (kind.equals("many") ? 300 : kind.equals("huge") ? 1 : 5); n++) {
                sent.add(producer.send(submission(topic, kind, n)));
            }
            for (Future<RecordMetadata> each : sent) {
                each.get();
            }
            if (isTransactional) {
                producer.commitTransaction();
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> submission(String topic, String kind, int n) {
        int times = kind.equals("huge") ? 20_000 : kind.equals("many") ? 40 : 1;
        String body = "{\"title\":\"Lampu " + n + "\",\"body\":\"" + TEXT.repeat(times) + "\"}";
        byte[] key = n % 2 == 0 ? null : utf8("pelapor-" + n);
        ProducerRecord<byte[], byte[]> made = new ProducerRecord<>(topic, 0, key, utf8(body));
        Headers headers = made.headers();
        headers.add("ce_id", utf8(topic + "-" + n));
        headers.add("ce_type", utf8("id.go.lapor.channel.submit-report.v1"));
        headers.add("ce_specversion", utf8("1.0"));
        headers.add("nama-é", null);
        headers.add("kosong", new byte[0]);
        return made;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
