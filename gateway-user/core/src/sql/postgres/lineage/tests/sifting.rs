//! Where lengths show with what a masked value was compared.

use super::{masked, names, statement};

#[test]
fn what_is_sifted_asks_where_rows_come_into_an_order() {
    let probes = |text: &str| names(&statement(&masked(), text).probed);
    let sifted = "SELECT id, split_part(email, '@', 2) AS p FROM customers";
    assert_eq!(probes(sifted), "");
    for text in [
        format!("{sifted} ORDER BY id"),
        format!("SELECT id FROM ({sifted}) s ORDER BY id"),
        format!("SELECT DISTINCT id FROM ({sifted}) s"),
        format!("SELECT id FROM ({sifted}) s GROUP BY id"),
        format!("SELECT row_number() OVER (ORDER BY id) FROM ({sifted}) s"),
        format!("SELECT s.id FROM ({sifted}) s JOIN orders o ON o.id = s.id"),
        format!("WITH s AS MATERIALIZED ({sifted}) SELECT id FROM s ORDER BY id LIMIT 1"),
        format!("SELECT id FROM ({sifted}) s EXCEPT SELECT 1"),
        "SELECT greatest(email, 'x') FROM customers ORDER BY id".to_owned(),
        "SELECT id, max(email || 'x') FROM customers GROUP BY id".to_owned(),
        "SELECT left('xxxx', strpos(email, 'a')) FROM customers ORDER BY id".to_owned(),
        "UPDATE orders SET note = 'a' FROM (SELECT id, split_part(email, '@', 2) FROM customers) s \
         WHERE s.id = orders.id RETURNING orders.id"
            .to_owned(),
    ] {
        assert_eq!(probes(&text), "emails", "{text}");
    }
}

#[test]
fn what_is_as_it_is_does_not() {
    let probes = |text: &str| names(&statement(&masked(), text).probed);
    for text in [
        "SELECT email, upper(email), email || 'x' FROM customers ORDER BY id",
        "SELECT id, max(email) FROM customers GROUP BY id",
        "SELECT split_part(c.email, '@', 2) FROM customers c JOIN orders o ON o.customer_id = c.id",
        "SELECT split_part(email, '@', 2) FROM (SELECT email FROM customers ORDER BY id LIMIT 5) s",
        "SELECT note FROM orders ORDER BY id",
    ] {
        assert_eq!(probes(text), "", "{text}");
    }
}
