//! Tests of `alluvium eval`: the measures of a ranking that is known by hand, the run file, baselines and what is said when the
//! ranking got worse, grids, reports. Definitions of measures and comparisons are tested in the library's `eval` layer.

use crate::{Shell, names, rivers};

const EVAL: [&str; 6] =
    ["eval", "rivers.alv", "--queries", "queries.jsonl", "--qrels", "qrels.tsv"];

fn judged_rivers() -> Shell {
    let shell = rivers();
    shell.write(
        "queries.jsonl",
        "{\"_id\":\"q1\",\"text\":\"quiet -don: +flows\"}\n{\"_id\":\"q2\",\"text\":\"wild\"}\n\
         {\"_id\":\"q3\",\"text\":\"zirconium\"}\n{\"_id\":\"q4\",\"text\":\"slows\"}\n",
    );
    shell.write("qrels.tsv", "q1\tdon\t1\nq2\tloire\t2\nq3\trhine\t1\nq4\t7\t1\n");
    shell
}

#[test]
fn measures_are_means_over_the_judged_questions() {
    let shell = judged_rivers();
    let summary = shell.succeed(&[&EVAL[..], &["--json"]].concat()).object();
    assert_eq!(
        names(&summary),
        ["queries", "map", "ndcg_at_10", "p_at_10", "recall_at_100", "mrr"]
    );
    // Three of four questions find their one document first; signs in the first are no operators.
    assert_eq!(summary["queries"], 4);
    for name in ["map", "ndcg_at_10", "recall_at_100", "mrr"] {
        assert_eq!(summary[name], 0.75, "{name} in {summary}");
    }
    let table = shell.succeed(&EVAL).stdout;
    assert!(table.contains("MAP") && table.contains("0.7500"), "{table}");
}

#[test]
fn a_run_file_has_the_six_columns() {
    let shell = judged_rivers();
    let deep = ["--run", "ours.run", "--depth", "1", "--k1", "0.9", "--b", "0.4", "--json"];
    shell.succeed(&[&EVAL[..], &deep].concat());
    let run = String::from_utf8(shell.read("ours.run")).unwrap();
    let lines: Vec<Vec<_>> = run.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{run}");
    assert_eq!(lines[0][..4], ["q1", "Q0", "don", "1"]);
    assert_eq!(lines[2][..4], ["q4", "Q0", "7", "1"]);
    assert!(lines.iter().all(|line| line.len() == 6 && line[5] == "alluvium"));
}

#[test]
fn files_that_do_not_fit_are_errors_that_name_their_place() {
    let shell = judged_rivers();
    shell.write("qrels.tsv", "q1\tdon\t1\nq9\tdon\t1\n");
    shell.fail(&EVAL, &["qrels.tsv: question `q9` is judged", "queries.jsonl"]);
    shell.write("qrels.tsv", "q1\tdon\n");
    shell.fail(&EVAL, &["qrels.tsv, line 1: expected 3 columns"]);
    shell.write("queries.jsonl", "{\"_id\":1}\n");
    shell.fail(&EVAL, &["queries.jsonl, line 1: expected"]);
}

#[test]
fn measures_are_chosen_and_shown_for_each_question() {
    let shell = judged_rivers();
    let chosen = ["--measures", "mrr,P@1,nDCG,bpref,err@20", "--per-query"];
    let table = shell.succeed(&[&EVAL[..], &chosen].concat()).stdout;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["question", "MRR", "P@1", "nDCG", "bpref", "ERR@20", "text"]);
    assert_eq!(rows[1][..6], ["q1", "1.0000", "1.0000", "1.0000", "1.0000", "0.0625"]);
    assert_eq!(rows[3][..6], ["q3", "0.0000", "0.0000", "0.0000", "0.0000", "0.0000"]);
    assert_eq!(rows[6], ["questions", "MRR", "P@1", "nDCG", "bpref", "ERR@20"]);
    let object = shell.succeed(&[&EVAL[..], &chosen, &["--json"]].concat()).object();
    let members = ["queries", "mrr", "p_at_1", "ndcg", "bpref", "err_at_20"];
    assert_eq!(names(&object), [&members[..], &["per_query"]].concat());
    assert_eq!(object["per_query"]["q2"]["err_at_20"], 3.0 / 16.0);
    let wrong = shell.run(&[&EVAL[..], &["--measures", "map,f1"]].concat());
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("`f1` is no measure; expected MAP, nDCG@k"), "{wrong:?}");
}

#[test]
fn questions_and_judgements_come_in_several_forms() {
    let shell = judged_rivers();
    let expected = shell.succeed(&[&EVAL[..], &["--json"]].concat()).stdout;
    shell.write(
        "topics.txt",
        "<top>\n<num> Number: q1\n<title> quiet -don: +flows\n<desc> -\n</top>\n\
         <top><num>q2</num><title>wild</title></top>\n\
         <top><num>q3</num><title>zirconium</title></top>\n<top><num>q4<title>slows</top>\n",
    );
    shell.write("queries.tsv", "q1\tquiet -don: +flows\nq2\twild\nq3\tzirconium\nq4\tslows\n");
    shell.write("trec.qrels", "q1 0 don 1\nq2 0 loire 2\nq3 0 rhine 1\nq4 0 7 1\n");
    let object = |query, document, grade| {
        format!("{{\"query\":\"{query}\",\"document\":\"{document}\",\"grade\":{grade}}}\n")
    };
    let lines = [("q1", "don", 1), ("q2", "loire", 2), ("q3", "rhine", 1), ("q4", "7", 1)];
    let lines: String =
        lines.map(|(query, document, grade)| object(query, document, grade)).concat();
    shell.write("qrels.jsonl", lines);
    for queries in ["topics.txt", "queries.tsv"] {
        for qrels in ["trec.qrels", "qrels.jsonl"] {
            let arguments =
                ["eval", "rivers.alv", "--queries", queries, "--qrels", qrels, "--json"];
            assert_eq!(shell.succeed(&arguments).stdout, expected, "{queries}, {qrels}");
        }
    }
}

/// The rivers, of which the Don flows no more; the baseline is of when it did.
fn dried_up() -> Shell {
    let shell = judged_rivers();
    shell.succeed(&[&EVAL[..], &["--save-baseline", "before.json"]].concat());
    shell.write(
        "don.ndjson",
        "{\"_id\":\"don\",\"text\":\"dry\"}\n{\"_id\":\"ob\",\"text\":\"flows\"}\n",
    );
    shell.succeed(&["import", "don.ndjson", "rivers.alv", "--id", "_id"]);
    shell
}

const AGAINST: [&str; 2] = ["--against", "before.json"];

#[test]
fn a_ranking_that_got_worse_ends_with_2_and_names_question_loss_and_documents() {
    let shell = dried_up();
    let ran = shell.run(&[&EVAL[..], &AGAINST, &["--fail-on-regression"]].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    for said in [
        "Against before.json: documents 5 → 6\n",
        "MAP         0.7500  0.5000  -0.2500  1.0000       0      1\n",
        "relevance fell further than tolerated:\n",
        "  MAP         0.7500 → 0.5000  -0.2500, tolerated 0, p 1.0000\n",
        "1 query got worse:\n",
        "  q1  MAP 1.0000 → 0.0000, nDCG@10 1.0000 → 0.0000, P@10 0.1000 → 0.0000",
        "  quiet -don: +flows\n",
        "      don 1 → – (grade 1), ob – → 1\n",
    ] {
        assert!(ran.stdout.contains(said), "{said:?} is missing in {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
    let object =
        shell.run(&[&EVAL[..], &AGAINST, &["--fail-on-regression", "mrr", "--json"]].concat());
    assert_eq!(object.code, 2);
    let object = object.object();
    assert_eq!(object["regression"]["means"][0]["measure"], "mrr");
    assert_eq!(object["regression"]["queries"][0]["id"], "q1");
    assert_eq!(object["comparison"]["queries_compared"], 4);
    assert_eq!(object["comparison"]["queries"][0]["moves"][0]["before"], 1);
}

#[test]
fn what_is_tolerated_is_shown_and_ends_with_0() {
    let shell = dried_up();
    for tolerances in ["map=0.25,mrr=0.3", "recall@100=1"] {
        let flags = ["--fail-on-regression", tolerances];
        let ran = shell.succeed(&[&EVAL[..], &AGAINST, &flags].concat());
        assert!(ran.stdout.contains("1 of 4 questions changed; by MAP"), "{ran:?}");
        let object = shell.succeed(&[&EVAL[..], &AGAINST, &flags, &["--json"]].concat()).object();
        assert!(object["regression"].is_null());
    }
    // The baseline's measures are compared unless others are asked for.
    let other = ["--measures", "bpref", "--fail-on-regression", "map"];
    shell.fail(&[&EVAL[..], &AGAINST, &other].concat(), &["MAP is not in both baselines"]);
    let unchanged = judged_rivers();
    unchanged.succeed(&[&EVAL[..], &["--save-baseline", "before.json"]].concat());
    let ran = unchanged.succeed(&[&EVAL[..], &AGAINST, &["--fail-on-regression"]].concat());
    assert!(ran.stdout.ends_with("\n0 of 4 questions changed\n"), "{ran:?}");
}

#[test]
fn a_baseline_is_small_readable_and_the_same_every_time() {
    let shell = judged_rivers();
    let save = ["--save-baseline", "before.json", "--measures", "mrr"];
    shell.succeed(&[&EVAL[..], &save].concat());
    let text = String::from_utf8(shell.read("before.json")).unwrap();
    assert!(text.starts_with(
        "{\n  \"format\": \"alluvium baseline 1\",\n  \"parameters\": {\n    \"b\": \"0.75\",\n    \
         \"depth\": \"1000\",\n    \"documents\": \"5\",\n    \"k1\": \"1.2\",\n    \"language\": \"none\"\n"
    ));
    assert!(text.contains(
        "      \"text\": \"quiet -don: +flows\",\n      \"measures\": {\"mrr\": 1.0},\n"
    ));
    assert!(text.contains("      \"top\": [\n        \"don\"\n      ]\n"), "{text}");
    shell.succeed(&[&EVAL[..], &save].concat());
    assert_eq!(shell.read("before.json"), text.as_bytes());
    let feedback = ["--feedback=3,5", "--save-baseline", "after.json"];
    let told = shell.succeed(&[&EVAL[..], &feedback, &AGAINST].concat()).stdout;
    assert!(told.contains("Against before.json: feedback – → 3,5,0.8"), "{told}");
    let after = String::from_utf8(shell.read("after.json")).unwrap();
    assert!(after.contains("    \"feedback\": \"3,5,0.8\",\n"), "{after}");
    shell.write("before.json", "{}");
    shell.fail(&[&EVAL[..], &AGAINST].concat(), &["before.json: not a baseline", "format"]);
}

#[test]
fn a_grid_is_measured_at_every_place_and_ordered_by_one_measure() {
    let shell = judged_rivers();
    let grid = ["--grid", "k1=0.6:1.2:0.3", "--grid", "b=0.4,0.75", "--measures", "mrr,map"];
    let table = shell.succeed(&[&EVAL[..], &grid].concat()).stdout;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["k1", "b", "MRR", "MAP"]);
    assert_eq!(rows.len(), 7);
    assert_eq!(rows[1], ["0.6", "0.4", "0.7500", "0.7500"]);
    let sorted = [&EVAL[..], &grid, &["--sort", "ndcg@10", "--json"]].concat();
    let places = shell.succeed(&sorted).json();
    assert_eq!(names(&places[0]), ["k1", "b", "queries", "mrr", "map", "ndcg_at_10"]);
    let best = places.iter().map(|place| place["ndcg_at_10"].as_f64().unwrap());
    assert!(best.is_sorted_by(|left, right| left >= right));
    assert!(places.iter().any(|place| place["k1"] == 1.2 && place["b"] == 0.75));
    for wrong in
        [&["--grid", "k3=1"] as &[&str], &["--sort", "map"], &["--grid", "b=1", "--run", "x"]]
    {
        assert_eq!(shell.run(&[&EVAL[..], wrong].concat()).code, 2, "{wrong:?}");
    }
    shell.fail(&[&EVAL[..], &["--grid", "b=0", "--grid", "b=1"]].concat(), &["name k1 and b once"]);
}

/// The page of a report, after a look at its markup: tags are balanced, nothing is fetched, nothing is run.
#[track_caller]
fn page(shell: &Shell, arguments: &[&str]) -> String {
    shell.succeed(&[&EVAL[..], &["--html", "report.html"], arguments].concat());
    let page = String::from_utf8(shell.read("report.html")).expect("a page in UTF-8");
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.split_whitespace().next().expect("a tag has a name");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{page}");
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for absent in ["<script", "src=", "http:", "https:", "url(", "NaN", "inf\""] {
        assert!(!page.contains(absent), "{absent}");
    }
    page
}

#[test]
fn a_report_is_one_page_that_shows_values_or_changes() {
    let shell = judged_rivers();
    let values = page(&shell, &["--measures", "mrr,ndcg@10"]);
    for part in [
        "<title>Relevance of rivers.alv</title>",
        "prefers-color-scheme: dark",
        "<th scope=\"row\">MRR</th><td class=\"number\">0.7500</td>",
        "4 questions, 1 of them at 0",
        "<title>q3 0.0000 zirconium</title>",
        "<h2>Latency</h2>",
        "title=\"loire\">The Loire</span>",
    ] {
        assert!(values.contains(part), "{part:?} is missing in {values}");
    }
    let shell = dried_up();
    let changes = page(&shell, &AGAINST);
    for part in [
        "documents <b>5 → 6</b>",
        "<title>q1 −1.0000 quiet -don: +flows</title>",
        "MAP 1.0000 → 0.0000 <b class=\"loss\">−1.0000</b>",
        "<path class=\"away loss\"",
        "<span class=\"moved\">new</span>",
        "1 worse, 0 better, 3 the same",
    ] {
        assert!(changes.contains(part), "{part:?} is missing in {changes}");
    }
}

#[test]
fn a_report_of_what_did_not_change_or_found_nothing_is_still_a_page() {
    let shell = judged_rivers();
    shell.succeed(&[&EVAL[..], &["--save-baseline", "before.json"]].concat());
    assert!(page(&shell, &AGAINST).contains("0 of 4 questions changed"));
    shell.write("qrels.tsv", "q1\tdon\t0\n");
    assert!(page(&shell, &[]).contains("<p class=\"faint\">0 questions"));
}

#[test]
fn what_files_hold_cannot_become_markup_of_a_report() {
    let shell = judged_rivers();
    let evil = "<script>alert(1)</script><img src=x onerror='y'>";
    shell.write("evil.ndjson", format!("{{\"_id\":\"{evil}\",\"title\":\"{evil} quiet\"}}\n"));
    shell.succeed(&["import", "evil.ndjson", "rivers.alv"]);
    shell.write("queries.jsonl", format!("{{\"_id\":\"{evil}\",\"text\":\"quiet {evil}\"}}\n"));
    shell.write("qrels.tsv", format!("{evil}\tdon\t1\n"));
    let page = {
        shell.succeed(&[&EVAL[..], &["--html", "report.html"]].concat());
        String::from_utf8(shell.read("report.html")).unwrap()
    };
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;y&#39;&gt;";
    assert!(page.matches(escaped).count() >= 5, "{page}");
}
