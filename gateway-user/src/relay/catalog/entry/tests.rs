//! What sessions have of a database that is read again, and when it is.

use gateway_core::sql::postgres::lineage::catalog::Operator;

use super::*;

fn catalog(function: u32) -> Catalog {
    let operator = Operator {
        name: "&&&".into(),
        function,
    };
    Catalog::new(Vec::new(), Vec::new(), Vec::new(), vec![operator])
}

fn masked(loaded: &Loaded) -> Arc<Masked> {
    let key = MaskKey::new([0; 32]);
    let (catalog, masks) = (Arc::clone(&loaded.catalog), Arc::default());
    Arc::new(Masked::new(catalog, masks, key, loaded.edition.clone()))
}

/// What is known of a database without a way to it.
fn known(kept: &mut Kept, changes: &Changes, function: u32) -> Loaded {
    kept.take(catalog(function), changes.edition(), Instant::now())
}

#[test]
fn the_same_again_leaves_what_sessions_have() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let first = known(&mut kept, &changes, 1);
    let second = known(&mut kept, &changes, 1);
    assert!(Arc::ptr_eq(&first.catalog, &second.catalog));
    assert!(first.edition.is_current() && first.edition.is_same(&second.edition));
}

#[test]
fn another_makes_it_old() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let first = known(&mut kept, &changes, 1);
    let second = known(&mut kept, &changes, 2);
    assert!(!first.edition.is_current() && second.edition.is_current());
}

#[test]
fn a_change_while_it_is_read_makes_it_old() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let first = masked(&known(&mut kept, &changes, 1));
    let edition = changes.edition();
    first.outdate();
    let second = kept.take(catalog(2), edition, Instant::now());
    assert!(!second.edition.is_current());
    assert!(kept.good(None).is_none());
    let third = known(&mut kept, &changes, 2);
    assert!(third.edition.is_current() && kept.good(Some(&first)).is_some());
}

#[test]
fn missing_names_are_looked_for_after_a_pause() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let first = masked(&known(&mut kept, &changes, 1));
    assert!(kept.good(Some(&first)).is_some(), "it was read just now");
    let long_ago = Instant::now().checked_sub(PAUSE).unwrap();
    kept.take(catalog(1), changes.edition(), long_ago);
    assert!(kept.good(Some(&first)).is_none());
    assert!(kept.good(None).is_some());
}

#[test]
fn sessions_with_the_same_masks_share() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let loaded = known(&mut kept, &changes, 1);
    let masks = Arc::new(MaskSet::default());
    let key = || MaskKey::new([0; 32]);
    let first = kept.hand_out(&loaded, Arc::clone(&masks), key());
    assert!(Arc::ptr_eq(
        &first,
        &kept.hand_out(&loaded, Arc::clone(&masks), key())
    ));
    let equal = kept.hand_out(&loaded, Arc::default(), key());
    assert!(Arc::ptr_eq(&first, &equal), "as after a reload");
    let other = kept.hand_out(&loaded, masks, MaskKey::new([1; 32]));
    assert!(!Arc::ptr_eq(&first, &other));
    drop(equal);
    assert!(kept.is_used());
    drop((first, other));
    assert!(!kept.is_used());
}

#[test]
fn what_sessions_still_have_counts_as_long_as_they_do() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    assert_eq!(kept.bytes(), 0);
    let first = known(&mut kept, &changes, 1);
    let one = kept.bytes();
    assert!(one > 0);
    let held = kept.hand_out(&first, Arc::default(), MaskKey::new([0; 32]));
    assert_eq!(kept.bytes(), one, "it is the same");
    known(&mut kept, &changes, 2);
    assert_eq!(kept.bytes(), 2 * one);
    drop((held, first));
    assert_eq!(kept.bytes(), one);
}

#[test]
fn what_is_close_is_shared_until_somebody_else_changes_the_database() {
    let (mut kept, changes) = (Kept::default(), Changes::default());
    let loaded = known(&mut kept, &changes, 1);
    let (masks, key) = (Arc::new(MaskSet::default()), || MaskKey::new([0; 32]));
    let first = kept.hand_out(&loaded, Arc::clone(&masks), key());
    let other = kept.hand_out(&loaded, Arc::clone(&masks), MaskKey::new([1; 32]));
    first.outdate();
    assert!(!first.is_current() && first.is_close() && !other.is_close());
    let shared = kept.close(&masks, &key(), None).unwrap();
    assert!(Arc::ptr_eq(&shared, &first));
    assert!(
        kept.close(&masks, &key(), Some(&first)).is_none(),
        "it was not enough"
    );
    other.outdate();
    assert!(!first.is_close() && kept.close(&masks, &key(), None).is_none());
}
