//! Tests of `alluvium eval`: the measures of a ranking that is known by hand, and the run file. The
//! measures' definitions are tested in the library's `eval` layer.

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
