//! Sessions with masks: what code may have set that no text tells of.

use std::sync::Arc;

use super::talk::{NOW, Talk, client, engine, server};
use crate::protocols::postgres::path::QUESTION_AGAIN;
use crate::secret::Secret;
use crate::session::outbox::Action;
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::{
    Catalog, Column, Function, Language, Relation, RelationKind, Volatility,
};
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

/// Two functions of the server's, and a view over one of them.
fn catalog() -> Catalog {
    let function = |oid, name: &str, volatility| Function {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        language: Language::Internal,
        volatility,
        is_aggregate: false,
        returns_set: false,
        columns: [].into(),
        returns: 25,
        parts: [].into(),
        body: None,
    };
    let column = Column {
        number: 1,
        name: "set_config".into(),
        ty: 25,
        ..Column::default()
    };
    let view = Relation {
        oid: 20_000,
        schema: "public".into(),
        name: "moved".into(),
        kind: RelationKind::View,
        columns: [column].into(),
        definition: Some("SELECT set_config('search_path', 'a', false)".into()),
        parents: [].into(),
        has_rules: false,
        triggers: [].into(),
        emptied: [].into(),
        references: [].into(),
        keys: [].into(),
        parted: [].into(),
    };
    let functions = vec![
        function(870, "lower", Volatility::Immutable),
        function(2_078, "set_config", Volatility::Volatile),
    ];
    Catalog::new(vec![view], vec![], functions, vec![])
}

/// Ready for statements, with a database in which there is hardly anything.
fn masked() -> Talk {
    let mut talk = Talk::ready(engine(RULES));
    find(&mut talk);
    talk
}

/// Answers each question for what is masked.
fn find(talk: &mut Talk) {
    for action in std::mem::take(&mut talk.actions) {
        if let Action::FindMasked { masks, .. } = action {
            let (catalog, key) = (Arc::new(catalog()), Secret::new([7; 32]));
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
fn the_path_is_asked_for_anew_after_what_may_have_changed_it() {
    let mut talk = masked();
    for (statement, asks) in [
        ("SELECT lower('A')", false),
        ("SELECT * FROM public.moved", true),
        ("BEGIN; SELECT lower('A'); COMMIT", false),
    ] {
        assert_eq!(say(&mut talk, statement, b'I'), "", "{statement}");
        talk.client(&client::query("SELECT 1"));
        let sent = talk.session.outbox().to_server().split();
        assert_eq!(sent == QUESTION_AGAIN, asks, "{statement}");
        if asks {
            talk.server(&server::path(&["public"]));
            assert_eq!(talk.sent(), "Q", "{statement}");
        }
        talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
        talk.heard();
    }
}

#[test]
fn texts_are_read_in_either_way_before_the_answer_to_what_may_have_changed_that() {
    let mut talk = masked();
    talk.client(&client::query("SELECT * FROM public.moved"));
    assert_eq!(talk.sent(), "Q");
    talk.client(&client::query(
        r"SELECT '\', ' , lower(email) FROM customers -- '",
    ));
    find(&mut talk);
    assert_eq!(talk.sent(), "", "it is read in two ways");
}
