//! Searches for all of some words, for phrases, for words without others, and for a word among some documents, where many documents of a
//! window hold each word and differ in how often: there a threshold sorts out most of them, by whichever word leaves the fewest. The best are
//! compared with all, and all with the naive search.

use super::*;

/// A text of a hundred words: "golden" once or not at all, the others more or less often. So of "+golden +river" it is "river" that sorts
/// out, though more texts hold it, and by as much as a score allows.
fn text(rng: &mut fastrand::Rng) -> String {
    let mut words = vec!["pan"; 100];
    let often = [
        ("golden", usize::from(rng.u8(..100) < 45)),
        ("river", if rng.bool() { rng.usize(1..25) } else { 0 }),
        ("slow", if rng.u8(..100) < 60 { rng.usize(1..7) } else { 0 }),
        ("the", rng.usize(3..20)),
    ];
    let mut places = 0..words.len();
    for (word, count) in often {
        places.by_ref().take(count).for_each(|place| words[place] = word);
    }
    rng.shuffle(&mut words);
    words.join(" ")
}

/// Compares the best with all, which other tests prove.
fn check_best(reader: &dyn Reader, queries: &[Query]) {
    let collection = CollectionReader::open(reader, NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &index);
    for query in queries {
        let (plan, _) = searcher.plan(query).unwrap();
        let all = searcher.search(&plan, Parameters::default(), 0, 20_000).unwrap();
        assert!(all.len() > 40, "{query}: {}", all.len());
        for limit in
            [1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 200, 1000].map(|limit| limit.min(all.len()))
        {
            let best = searcher.search(&plan, Parameters::default(), 0, limit).unwrap();
            assert_eq!(best, all[..limit], "{query}, best {limit}");
        }
    }
}

#[test]
fn words_that_many_documents_hold_are_searched_exactly() {
    compare_frequent_words(TextIndexOptions::default());
}

#[test]
fn pairs_that_many_documents_hold_are_searched_exactly() {
    let options = TextIndexOptions::default().paired_words(["the", "slow", "river"]);
    compare_frequent_words(options);
}

fn compare_frequent_words(options: TextIndexOptions) {
    let mut rng = fastrand::Rng::with_seed(21);
    let mut world = World::new(options);
    let queries = [
        "+the +slow",
        "+slow +golden",
        "+golden +river",
        "+the +river",
        "+golden +slow +the",
        "+the +slow +golden +river",
        "+river +pan",
        "\"the slow\"",
        "\"slow golden\"",
        "\"river slow the\"",
        "\"river river\"",
        "\"pan the pan\"",
        "\"golden river\"~2",
        "slow river -golden",
        "golden the -slow",
    ]
    .map(|query| Query::user(query).query);
    let among = |word| {
        let filter = Query::filter(doc! { "_id": { "$mod": [5, 0] } }).must().boost(0.0);
        Query::default().with(Query::word(word).must()).with(filter)
    };
    let queries = queries.into_iter().chain(["river", "the", "slow", "golden"].map(among));
    let queries: Vec<Query> = queries.collect();
    for (documents, is_compacted) in [(7000, true), (1500, false), (200, true)] {
        let mut transaction = world.store.begin().unwrap();
        let mut writer = world.writer(&mut transaction);
        for _ in 0..documents {
            let id = i32::try_from(world.turn).unwrap();
            let document = rawdoc! { "_id": id, "a": text(&mut rng) };
            world.put(&mut transaction, &mut writer, document);
        }
        writer.drain(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        world.store.flush().unwrap();
        if is_compacted {
            world.store.compact().unwrap();
        }
        let snapshot = world.store.snapshot();
        world.compare(&snapshot, &queries, &mut rng);
        check_best(&snapshot, &queries);
    }
}

/// Of the words some nine in ten documents hold each, many times: what follows what is found out by all of their positions.
#[test]
fn phrases_of_words_that_nearly_all_documents_repeat_are_searched_exactly() {
    let mut rng = fastrand::Rng::with_seed(22);
    let mut text = || {
        let missing = rng.usize(..40);
        let held = ["ash", "elm", "oak", "yew"].into_iter().enumerate();
        let held: Vec<&str> = held.filter(|held| held.0 != missing).map(|held| held.1).collect();
        let words = (0..rng.usize(20..60)).map(|_| held[rng.usize(..held.len())]);
        words.collect::<Vec<&str>>().join(" ")
    };
    let texts: Vec<String> = (0..5000).map(|_| text()).collect();
    let world = world_of(&texts.iter().map(String::as_str).collect::<Vec<&str>>());
    world.store.flush().unwrap();
    world.store.compact().unwrap();
    let queries = [
        "\"ash elm\"",
        "\"yew yew\"",
        "\"ash elm oak\"",
        "\"oak ash elm\"",
        "\"elm elm yew\"",
        "\"yew oak ash elm\"",
        "\"oak oak oak yew ash\"",
        "\"oak yew\"~1",
    ];
    let queries = queries.map(|query| Query::user(query).query);
    let snapshot = world.store.snapshot();
    world.compare(&snapshot, &queries, &mut rng);
    check_best(&snapshot, &queries);
}

#[test]
fn who_ties_with_the_worst_of_the_best_is_found_in_windows_that_come_later() {
    let mut world = World::new(TextIndexOptions::default());
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for id in 0..9000 {
        // One text has the second window come first, whose others tie with all of the first.
        let text = if id == 5000 { "gold gold gold pan" } else { "gold pan slow slow" };
        world.put(&mut transaction, &mut writer, rawdoc! { "_id": id, "a": text });
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    world.store.flush().unwrap();
    world.store.compact().unwrap();
    let queries = ["+gold +pan", "\"gold pan\""].map(|query| Query::user(query).query);
    check_best(&world.store.snapshot(), &queries);
}
