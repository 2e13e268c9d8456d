import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with exactly_once_v2: the job of job.py in one thread. The state of a fill lies in RocksDB with a changelog;
 * its facts, its state and its position are committed in one transaction of Kafka. It says the same words as the peers in
 * Python.
 */
public final class ClockPeer {
    static final String EVENTS = "rx.events", INTERVALS = "rx.intervals", SIGNALS = "rx.signals";
    static final String APPLICATION = "peer", STORE = "fills", CLOCK = "received-to-verified", SEVERITY = "S3";
    static final long TARGET = 1_800_000_000L, NOT_YET = Long.MIN_VALUE;
    static final int HEAD = 2 * Long.BYTES;
    static final AtomicLong COUNT = new AtomicLong();
    static final CountDownLatch WHOLE = new CountDownLatch(1);
    static long total;

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Data(String site) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Event(String id, String source, String type, String time, String subject, Data data) {}

    record Interval(String interval, String clock, String site, @JsonProperty("case") String fill, String started, String stopped,
            double net_seconds, double target_seconds, boolean in_target) {}

    record Breach(String signal, String kind, String name, String severity, String site,
            @JsonProperty("case") String fill, String raised) {}

    /** One fill after the other: [received, verified (microseconds since 1970), the events it has seen, 8 bytes each]. */
    static final class Clock implements Processor<String, byte[], String, byte[]> {
        private final ObjectMapper mapper = new ObjectMapper();
        private final ObjectReader events = mapper.readerFor(Event.class);
        private final ObjectWriter intervals = mapper.writerFor(Interval.class);
        private final ObjectWriter breaches = mapper.writerFor(Breach.class);
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> fills;

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.fills = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, byte[]> record) {
            counted();
            try {
                take(events.readValue(record.value()), record.timestamp());
            } catch (IOException fault) {
                throw new UncheckedIOException(fault);
            }
            if (COUNT.get() == total) {
                context.commit();
                WHOLE.countDown();
            }
        }

        private void take(Event event, long timestamp) throws IOException {
            byte[] old = fills.get(event.subject());
            ByteBuffer known = old == null ? nothing() : ByteBuffer.wrap(old);
            long received = known.getLong(), verified = known.getLong(), id = hash(event.source() + " " + event.id());
            while (known.hasRemaining()) {
                if (known.getLong() == id) {
                    return;
                }
            }
            boolean begins = event.type().equals("rx.received"), ends = event.type().equals("rx.pv1.verified");
            boolean changed = false;
            if (begins || ends) {
                long at = micros(Instant.parse(event.time())), before = begins ? received : verified;
                changed = before == NOT_YET || at < before;
                received = begins && changed ? at : received;
                verified = ends && changed ? at : verified;
            }
            ByteBuffer now = ByteBuffer.allocate(known.capacity() + Long.BYTES).putLong(received).putLong(verified);
            now.put(known.array(), HEAD, known.capacity() - HEAD).putLong(id);
            fills.put(event.subject(), now.array());
            if (changed && received != NOT_YET && verified != NOT_YET && verified >= received) {
                tell(event.subject(), event.data().site(), received, verified, timestamp);
            }
        }

        private void tell(String fill, String site, long received, long verified, long timestamp) throws IOException {
            String name = CLOCK + ":" + fill;
            boolean inTarget = verified - received <= TARGET;
            Interval interval = new Interval(name, CLOCK, site, fill, text(received), text(verified),
                    (verified - received) / 1e6, TARGET / 1e6, inTarget);
            context.forward(new Record<>(fill, intervals.writeValueAsBytes(interval), timestamp), INTERVALS);
            if (!inTarget) {
                Breach breach = new Breach(name, "clock", CLOCK, SEVERITY, site, fill, text(received + TARGET));
                context.forward(new Record<>(fill, breaches.writeValueAsBytes(breach), timestamp), SIGNALS);
            }
        }
    }

    static ByteBuffer nothing() {
        return ByteBuffer.allocate(HEAD).putLong(NOT_YET).putLong(NOT_YET).flip();
    }

    static void counted() {
        long count = COUNT.incrementAndGet();
        if (count == 1) {
            say("begin");
        }
        if (count == total / 2) {
            say("half");
        }
    }

    static void say(String word) {
        System.out.println(word);
        System.out.flush();
    }

    /** FNV-1a, 64 bits. */
    static long hash(String text) {
        long found = 0xcbf29ce484222325L;
        for (int place = 0; place < text.length(); place++) {
            found = (found ^ text.charAt(place)) * 0x100000001b3L;
        }
        return found;
    }

    static long micros(Instant at) {
        return at.getEpochSecond() * 1_000_000 + at.getNano() / 1_000;
    }

    static String text(long micros) {
        return Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000), Math.floorMod(micros, 1_000_000) * 1_000L).toString();
    }

    static Topology topology() {
        Topology topology = new Topology();
        topology.addSource("events", EVENTS);
        topology.addProcessor("clock", Clock::new, "events");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
                        .withCachingEnabled(),
                "clock");
        topology.addSink(INTERVALS, INTERVALS, "clock");
        topology.addSink(SIGNALS, SIGNALS, "clock");
        return topology;
    }

    static Properties settings(String kafka, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, kafka);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        return settings;
    }

    /** Returns once the position of the group is the end of the topic. */
    static void awaitCommit(String kafka) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", kafka);
        try (Admin admin = Admin.create(settings)) {
            long committed = 0;
            while (committed < total) {
                Thread.sleep(10);
                committed = admin.listConsumerGroupOffsets(APPLICATION).partitionsToOffsetAndMetadata().get().values().stream()
                        .filter(position -> position != null).mapToLong(position -> position.offset()).sum();
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        String kafka = System.getenv("PEER_KAFKA");
        total = Long.parseLong(System.getenv("PEER_EVENTS"));
        KafkaStreams streams = new KafkaStreams(topology(), settings(kafka, System.getenv("PEER_FOLDER")));
        streams.setUncaughtExceptionHandler(fault -> {
            fault.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        WHOLE.await();
        awaitCommit(kafka);
        say("end");
        // What it used is read before it is ended; taking leave of the group is no part of the job.
        Thread.sleep(Long.MAX_VALUE);
    }
}
