//! The known name that somebody may have meant by one that is not known.

/// The nearest of `known` to `word`, if it is near enough to be a slip of the fingers: at most a
/// third of its letters wrong, missing, too many or swapped.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance, where swapping two neighbours counts as one.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut before: Option<char> = None;
    for (index, letter) in from.chars().enumerate() {
        let mut next = vec![index + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let mut cost = (at(&row, column) + usize::from(letter != *other))
                .min(at(&row, column + 1) + 1)
                .min(at(&next, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|left| before == Some(*other) && to.get(*left).copied() == Some(letter));
            if let Some(left) = swapped {
                cost = cost.min(at(&above, left).saturating_add(1));
            }
            next.push(cost);
        }
        above = std::mem::replace(&mut row, next);
        before = Some(letter);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["disable", "prefer", "require", "verify-ca", "verify-full"];
        assert_eq!(nearest("verfy-full", known), Some("verify-full"));
        assert_eq!(nearest("perfer", known), Some("prefer"));
        assert_eq!(nearest("postgres", known), None);
        assert_eq!(nearest("prto", ["port"]), Some("port"));
    }
}
