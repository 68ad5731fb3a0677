//! The whole table against a model written row by row from the public sentences.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const RULES: [OverwriteRule; 5] = [
    OverwriteRule::Never,
    OverwriteRule::Always,
    OverwriteRule::Diff,
    OverwriteRule::DiffOlder,
    OverwriteRule::Older,
];
const LEVELS: [ResumeLevel; 4] = [
    ResumeLevel::Restart,
    ResumeLevel::Attributes,
    ResumeLevel::Sparse,
    ResumeLevel::Full,
];
const SOURCE: Attributes = Attributes {
    size: 100,
    modified_ns: 50,
};

/// A complete file: same size or not, older, as old, or newer.
fn there(same_size: bool, age: i64) -> Present {
    let complete = Some(Attributes {
        size: if same_size { 100 } else { 99 },
        modified_ns: 50 + age,
    });
    Present {
        complete,
        partial: false,
    }
}

#[test]
fn every_rule_with_every_level_against_every_file_is_as_the_manual_says() {
    use Verdict::{Send, Skip};
    let sparse = Verdict::Compare(Comparison::Sparse);
    let full = Verdict::Compare(Comparison::Full);
    // Columns: same size and older, as old, newer; other size and older, as old, newer.
    let table: [(usize, usize, [Verdict; 6]); 20] = [
        (0, 0, [Skip; 6]),
        (0, 1, [Skip; 6]),
        (0, 2, [Skip; 6]),
        (0, 3, [Skip; 6]),
        (1, 0, [Send; 6]),
        (1, 1, [Send; 6]),
        (1, 2, [Send; 6]),
        (1, 3, [Send; 6]),
        (2, 0, [Send; 6]),
        (2, 1, [Skip, Skip, Skip, Send, Send, Send]),
        (2, 2, [sparse, sparse, sparse, Send, Send, Send]),
        (2, 3, [full, full, full, Send, Send, Send]),
        (3, 0, [Send, Skip, Skip, Send, Skip, Skip]),
        (3, 1, [Skip, Skip, Skip, Send, Skip, Skip]),
        (3, 2, [sparse, Skip, Skip, Send, Skip, Skip]),
        (3, 3, [full, Skip, Skip, Send, Skip, Skip]),
        (4, 0, [Send, Skip, Skip, Send, Skip, Skip]),
        (4, 1, [Send, Skip, Skip, Send, Skip, Skip]),
        (4, 2, [Send, Skip, Skip, Send, Skip, Skip]),
        (4, 3, [Send, Skip, Skip, Send, Skip, Skip]),
    ];
    for (rule, level, row) in table {
        let ages = [-1, 0, 1, -1, 0, 1];
        for (column, (expected, age)) in row.into_iter().zip(ages).enumerate() {
            let verdict = decide(RULES[rule], LEVELS[level], SOURCE, there(column < 3, age));
            assert_eq!(
                verdict, expected,
                "{:?} {:?} column {column}",
                RULES[rule], LEVELS[level]
            );
        }
    }
}

#[test]
fn a_partial_file_is_continued_wherever_something_is_sent_and_k_allows_it() {
    for rule in RULES {
        for level in LEVELS {
            for complete in [None, there(true, -1).complete, there(false, 1).complete] {
                let without = decide(
                    rule,
                    level,
                    SOURCE,
                    Present {
                        complete,
                        partial: false,
                    },
                );
                let with = decide(
                    rule,
                    level,
                    SOURCE,
                    Present {
                        complete,
                        partial: true,
                    },
                );
                let expected = if without == Verdict::Send && level != ResumeLevel::Restart {
                    Verdict::Continue
                } else {
                    without
                };
                assert_eq!(with, expected, "{rule:?} {level:?} {complete:?}");
            }
        }
    }
}

#[test]
fn what_is_not_there_is_sent_under_every_rule() {
    let nothing = Present {
        complete: None,
        partial: false,
    };
    for rule in RULES {
        for level in LEVELS {
            assert_eq!(decide(rule, level, SOURCE, nothing), Verdict::Send);
        }
    }
}

#[test]
fn a_comparison_ends_in_sending_or_skipping() {
    assert_eq!(after_comparison(true), Verdict::Send);
    assert_eq!(after_comparison(false), Verdict::Skip);
}

proptest! {
    #[test]
    fn what_is_newer_or_equally_old_survives_the_rules_about_age(
        size in any::<u64>(), own in any::<u64>(), time in any::<i64>(), own_time in any::<i64>(), partial in any::<bool>()
    ) {
        let source = Attributes { size, modified_ns: time };
        let present = Present { complete: Some(Attributes { size: own, modified_ns: own_time }), partial };
        let verdicts: Vec<_> = LEVELS
            .iter()
            .flat_map(|&level| [OverwriteRule::Older, OverwriteRule::DiffOlder].map(|rule| decide(rule, level, source, present)))
            .collect();
        if own_time >= time {
            prop_assert!(verdicts.iter().all(|&verdict| verdict == Verdict::Skip));
        }
    }
}
