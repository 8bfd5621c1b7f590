import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StringField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.FSDirectory;

/**
 * Lucene's side of `index`: builds an index that stores its documents, and changes single ones.
 *
 * <pre>
 * D count threads { title text }   documents, which are held in memory       answer: ready
 * B                                builds the index                          answer: built
 * I id text                        inserts a document                        answer: done
 * U id text                        replaces the document of this id          answer: done
 * X id                             removes it                                answer: done
 * C word                           documents that have the word              answer: their number
 * </pre>
 *
 * A command is its letter, a byte; counts are four bytes, ids eight, the highest first; a text is its length in bytes and UTF-8. An answer is a
 * line. Before it is ready it indexes a part of the documents in memory, so that the virtual machine has compiled what the build needs.
 */
public final class IndexDriver {
  private static final double BUFFER_MEBIBYTES = 256;
  private static final int WARM_DOCUMENTS = 30_000;

  private final DataInputStream in =
      new DataInputStream(new BufferedInputStream(System.in, 1 << 20));
  private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private final Path folder;
  private final List<String[]> documents = new ArrayList<>();
  private int threads;
  private IndexWriter writer;
  private DirectoryReader reader;

  private IndexDriver(Path folder) {
    this.folder = folder;
  }

  public static void main(String[] arguments) throws Exception {
    new IndexDriver(Path.of(arguments[0])).run();
  }

  private void run() throws Exception {
    for (int command = in.read(); command >= 0; command = in.read()) {
      out.println(answer((char) command));
      out.flush();
    }
  }

  private String answer(char command) throws Exception {
    switch (command) {
      case 'D' -> {
        int count = in.readInt();
        threads = in.readInt();
        for (int number = 0; number < count; number++) {
          documents.add(new String[] {text(), text()});
        }
        index(new ByteBuffersDirectory(), Math.min(count, WARM_DOCUMENTS));
        System.gc();
        return "ready";
      }
      case 'B' -> {
        Directory directory = FSDirectory.open(folder);
        index(directory, documents.size());
        writer = new IndexWriter(directory, config());
        reader = DirectoryReader.open(directory);
        return "built";
      }
      case 'I' -> {
        writer.addDocument(document(in.readLong(), null, text()));
        return show();
      }
      case 'U' -> {
        long id = in.readLong();
        writer.updateDocument(term(id), document(id, null, text()));
        return show();
      }
      case 'X' -> {
        writer.deleteDocuments(term(in.readLong()));
        return show();
      }
      case 'C' -> {
        return Integer.toString(new IndexSearcher(reader).count(new TermQuery(new Term("text", text()))));
      }
      default -> throw new IOException("unknown: " + command);
    }
  }

  private String text() throws IOException {
    int length = in.readInt();
    byte[] bytes = in.readNBytes(length);
    if (bytes.length < length) {
      throw new EOFException();
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static IndexWriterConfig config() {
    return new IndexWriterConfig(new StandardAnalyzer()).setRAMBufferSizeMB(BUFFER_MEBIBYTES);
  }

  /** Indexes the first documents; ends when they are durable and nothing is left to merge. */
  private void index(Directory directory, int count) throws Exception {
    AtomicInteger next = new AtomicInteger();
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try (IndexWriter built = new IndexWriter(directory, config())) {
      List<Future<Void>> ends = new ArrayList<>();
      for (int thread = 0; thread < threads; thread++) {
        ends.add(
            pool.submit(
                () -> {
                  for (int number = next.getAndIncrement(); number < count; number = next.getAndIncrement()) {
                    String[] fields = documents.get(number);
                    built.addDocument(document(number, fields[0], fields[1]));
                  }
                  return null;
                }));
      }
      for (Future<Void> end : ends) {
        end.get();
      }
    } catch (ExecutionException error) {
      throw new IOException(error.getCause());
    } finally {
      pool.shutdown();
    }
  }

  private static Document document(long id, String title, String text) {
    Document document = new Document();
    document.add(new StringField("id", Long.toString(id), Field.Store.YES));
    if (title != null) {
      document.add(new TextField("title", title, Field.Store.YES));
    }
    document.add(new TextField("text", text, Field.Store.YES));
    return document;
  }

  private static Term term(long id) {
    return new Term("id", Long.toString(id));
  }

  /** Makes changes durable, and visible to the next search. */
  private String show() throws IOException {
    writer.commit();
    DirectoryReader newer = DirectoryReader.openIfChanged(reader);
    if (newer != null) {
      reader.close();
      reader = newer;
    }
    return "done";
  }
}
