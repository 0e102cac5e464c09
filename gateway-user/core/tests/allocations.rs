//! That letting a statement pass allocates nothing: of a program of its own, because the allocator is
//! one for the whole program.

#[path = "../benches/policy/counting.rs"]
mod counting;
#[path = "../benches/policy/rules.rs"]
mod rules;

use gateway_core::policy::decision::Verdict;
use jiff::Timestamp;

use self::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn what_is_allowed_allocates_nothing() {
    for (count, conditions) in [
        (20, &[][..]),
        (1000, &[][..]),
        (200, &rules::CONDITIONS[..]),
    ] {
        let engine = rules::policy(count, conditions);
        for sql in rules::allowed(count) {
            let asked = rules::asked(&sql);
            let decide = || {
                engine.decide(
                    &asked.subject,
                    &asked.flow,
                    &asked.facts,
                    Timestamp::UNIX_EPOCH,
                )
            };
            // Regular expressions make their room when they are first used on a thread.
            assert!(matches!(decide().verdict, Verdict::Allow(_)), "{sql}");
            let before = allocations();
            let decision = decide();
            assert_eq!(allocations(), before, "{count} rules: {sql}");
            drop(decision);
        }
        let refused = rules::asked(rules::REFUSED);
        let decision = engine.decide(
            &refused.subject,
            &refused.flow,
            &refused.facts,
            Timestamp::UNIX_EPOCH,
        );
        assert!(matches!(decision.verdict, Verdict::Deny(_)));
        // That the count counts.
        let before = allocations();
        let _room = std::hint::black_box(Vec::<u8>::with_capacity(1));
        assert!(allocations() > before);
    }
}
