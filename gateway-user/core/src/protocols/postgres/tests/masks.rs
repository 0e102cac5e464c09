//! Sessions with masks: what is known of statements while names change what they mean.

use std::sync::Arc;

use super::talk::{NOW, Talk, client, engine, server};
use crate::secret::Secret;
use crate::session::outbox::Action;
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::Catalog;
use crate::sql::postgres::lineage::edition::Edition;

const RULES: &str = r#"
[[rule]]
name = "everything"
action = "allow"
[[mask]]
name = "emails"
column = ["public.customers.email"]
kind = "full"
masked_redefined = "allow"
"#;

/// Ready for statements, with a database in which there is nothing.
fn masked() -> Talk {
    let mut talk = Talk::ready(engine(RULES));
    find(&mut talk);
    talk
}

/// Answers each question for what is masked.
fn find(talk: &mut Talk) {
    for action in std::mem::take(&mut talk.actions) {
        if let Action::FindMasked { masks, .. } = action {
            let (catalog, key) = (Arc::new(Catalog::default()), Secret::new([7; 32]));
            let masked = Masked::new(catalog, masks, key, Edition::default());
            talk.session.handle_masked(Ok(Arc::new(masked)), NOW);
            talk.client(&[]);
        }
    }
}

/// Sends a statement; what the client hears if it does not pass, else nothing.
fn say(talk: &mut Talk, statement: &str, status: u8) -> String {
    talk.client(&client::query(statement));
    find(talk);
    if talk.sent().is_empty() {
        return talk.heard();
    }
    talk.server(&[server::complete("OK"), server::ready(status)].concat());
    talk.heard();
    String::new()
}

#[test]
fn a_transaction_that_renames_can_be_ended() {
    let mut talk = masked();
    for (statement, status, said) in [
        ("BEGIN", b'T', ""),
        ("ALTER TABLE public.t RENAME TO u", b'T', ""),
        ("DELETE FROM public.u", b'T', "E/42501 Z/T"),
        ("SHOW lock_timeout", b'T', ""),
        ("SET lock_timeout = 0", b'T', ""),
        ("SAVEPOINT a", b'T', ""),
        ("COMMIT; DELETE FROM public.u", b'T', "E/42501 Z/T"),
        ("ROLLBACK TO a", b'T', ""),
        ("COMMIT", b'I', ""),
    ] {
        assert_eq!(say(&mut talk, statement, status), said, "{statement}");
    }
}
