//! Asking every engine every query, in turns, and keeping the fastest time of each.
//!
//! In a pass, every query is asked under every command of every engine before the next query comes; the engine that begins
//! moves on by one with every query, command and pass. So whatever slows the machine for a while slows all alike, and no
//! engine finds the processor's caches as it left them. The answers of the first pass are compared.

use std::time::Duration;

use super::agreement::check_answers;
use super::engines::{Answer, Command, Index, Rival};
use super::queries::Query;
use crate::Result;

/// The fastest times of one engine.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) engine: &'static str,
    /// Of every query, by command.
    best: Vec<[Option<Duration>; Command::ALL.len()]>,
}

impl Times {
    pub(crate) fn new(engine: &'static str, queries: usize) -> Self {
        Times { engine, best: vec![[None; Command::ALL.len()]; queries] }
    }

    /// Keeps `time` when it is the fastest so far.
    pub(crate) fn note(&mut self, query: usize, command: Command, time: Duration) {
        let best = &mut self.best[query][command as usize];
        *best = Some(best.map_or(time, |best| best.min(time)));
    }

    /// The fastest time; `None` when the engine has no such query.
    pub(crate) fn of(&self, query: usize, command: Command) -> Option<Duration> {
        self.best[query][command as usize]
    }
}

/// Asks all prepared engines all queries `passes` times; `progress` is told of each pass.
pub(crate) fn measure(
    indexes: &mut [Index],
    queries: &[Query],
    passes: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Times>> {
    let mut times: Vec<Times> =
        indexes.iter().map(|index| Times::new(index.rival.name, queries.len())).collect();
    for pass in 0..passes {
        progress(pass);
        for (number, query) in queries.iter().enumerate() {
            // Counted first, so that every other answer can be compared with it.
            let mut matching = None;
            for &command in Command::ALL.iter().rev() {
                let mut answers: Vec<Option<Answer>> = vec![None; indexes.len()];
                // So that each begins as often as others, under every command and of every query.
                let begins = pass + number + command as usize;
                for turn in 0..indexes.len() {
                    let place = (begins + turn) % indexes.len();
                    let answer = indexes[place].engine.ask(number, command)?;
                    if let Some(answer) = &answer {
                        times[place].note(number, command, answer.time);
                    }
                    answers[place] = answer;
                }
                if pass > 0 {
                    continue;
                }
                let named = indexes.iter().zip(answers);
                let answers: Vec<(&Rival, Answer)> =
                    named.filter_map(|(index, answer)| Some((index.rival, answer?))).collect();
                let counted = answers.iter().find_map(|(_, answer)| answer.count);
                let matching = *matching.get_or_insert(counted.unwrap_or_default());
                check_answers(query, command, matching, &answers)?;
            }
        }
    }
    Ok(times)
}
