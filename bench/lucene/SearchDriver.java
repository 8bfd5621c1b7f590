import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.document.Field;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.SerialMergeScheduler;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.PhraseQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.search.TopScoreDocCollectorManager;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.Version;

/**
 * Lucene's side of `search`: builds an index and answers queries that the benchmark writes to its standard input.
 *
 * <pre>
 * documents N          N lines follow, a text each       answer: DOCUMENTS TOKENS NANOSECONDS
 * queries N            N lines follow, a query each      answer: VERSION, once everything was warmed up
 * ask QUERY LIMIT C    C: 1 counts all that match        answer: NANOSECONDS COUNT SCORE…   (COUNT is - without C)
 * </pre>
 *
 * A query is clauses between tabs; a clause is `?` (optional), `+` (required) or `-` (excluded), and words between spaces:
 * several are a phrase. Everything runs on the one thread that reads; times are taken here, around the search alone.
 */
public final class SearchDriver {
  private static final String FIELD = "text";
  private static final double BUFFER_MEBIBYTES = 256;
  /** Until the compiler of the virtual machine has seen enough: rounds over all queries, and at least so long. */
  private static final int WARM_ROUNDS = 3;
  private static final long WARM_NANOSECONDS = 20_000_000_000L;
  private static final int[][] COMMANDS = {{10, 0}, {100, 0}, {1000, 0}, {10, 1}, {0, 1}};

  private final BufferedReader in =
      new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20);
  private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private final Path folder;
  private final List<Query> queries = new ArrayList<>();
  private IndexSearcher searcher;

  private SearchDriver(Path folder) {
    this.folder = folder;
  }

  public static void main(String[] arguments) throws IOException {
    new SearchDriver(Path.of(arguments[0])).run();
  }

  private void run() throws IOException {
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ");
      switch (words[0]) {
        case "documents" -> out.println(index(Integer.parseInt(words[1])));
        case "queries" -> out.println(prepare(Integer.parseInt(words[1])));
        case "ask" ->
            out.println(
                ask(queries.get(Integer.parseInt(words[1])), Integer.parseInt(words[2]), words[3].equals("1")));
        default -> throw new IOException("unknown: " + line);
      }
      out.flush();
    }
  }

  private String index(int count) throws IOException {
    FieldType type = new FieldType();
    type.setTokenized(true);
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS_AND_POSITIONS);
    type.freeze();
    IndexWriterConfig config = new IndexWriterConfig(new StandardAnalyzer());
    config.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    config.setRAMBufferSizeMB(BUFFER_MEBIBYTES);
    config.setMergeScheduler(new SerialMergeScheduler());
    FSDirectory directory = FSDirectory.open(folder);
    long start = System.nanoTime();
    try (IndexWriter writer = new IndexWriter(directory, config)) {
      for (int number = 0; number < count; number++) {
        Document document = new Document();
        document.add(new Field(FIELD, in.readLine(), type));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
      writer.commit();
    }
    long time = System.nanoTime() - start;
    DirectoryReader reader = DirectoryReader.open(directory);
    if (reader.leaves().size() != 1) {
      throw new IOException(reader.leaves().size() + " segments instead of one");
    }
    searcher = new IndexSearcher(reader);
    searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    searcher.setQueryCache(null);
    return reader.numDocs() + " " + reader.getSumTotalTermFreq(FIELD) + " " + time;
  }

  private String prepare(int count) throws IOException {
    for (int number = 0; number < count; number++) {
      queries.add(parse(in.readLine()));
    }
    long start = System.nanoTime();
    for (int round = 0; round < WARM_ROUNDS || System.nanoTime() - start < WARM_NANOSECONDS; round++) {
      for (Query query : queries) {
        for (int[] command : COMMANDS) {
          ask(query, command[0], command[1] == 1);
        }
      }
    }
    return Version.LATEST.toString();
  }

  private static Query parse(String line) {
    String[] clauses = line.split("\t");
    if (clauses.length == 1) {
      return leaf(clauses[0]);
    }
    BooleanQuery.Builder builder = new BooleanQuery.Builder();
    for (String clause : clauses) {
      BooleanClause.Occur occur =
          switch (clause.charAt(0)) {
            case '+' -> BooleanClause.Occur.MUST;
            case '-' -> BooleanClause.Occur.MUST_NOT;
            default -> BooleanClause.Occur.SHOULD;
          };
      builder.add(leaf(clause), occur);
    }
    return builder.build();
  }

  private static Query leaf(String clause) {
    String[] words = clause.substring(1).split(" ");
    return words.length == 1 ? new TermQuery(new Term(FIELD, words[0])) : new PhraseQuery(FIELD, words);
  }

  private String ask(Query query, int limit, boolean counts) throws IOException {
    String count = "-";
    ScoreDoc[] best = {};
    long start = System.nanoTime();
    if (limit == 0) {
      count = Integer.toString(searcher.count(query));
    } else {
      // Hits beyond the limit are counted only when they have to be; else whatever cannot be among the best is skipped.
      int threshold = counts ? Integer.MAX_VALUE : limit;
      TopDocs top = searcher.search(query, new TopScoreDocCollectorManager(limit, null, threshold));
      best = top.scoreDocs;
      count = counts ? Long.toString(top.totalHits.value()) : count;
    }
    long time = System.nanoTime() - start;
    StringBuilder answer = new StringBuilder().append(time).append(' ').append(count);
    for (ScoreDoc hit : best) {
      answer.append(' ').append(hit.score);
    }
    return answer.toString();
  }
}
