//! What rounds have in common: their median, and how far they lie apart.

use std::fmt;

use serde::Serialize;

/// Median of the rounds, and the lowest and highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of finite values; none when there are none, such as when a divisor was 0.
    pub(crate) fn of(values: Vec<f64>) -> Option<Spread> {
        let finite: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        Some(Spread {
            lowest: finite.iter().copied().min_by(f64::total_cmp)?,
            highest: finite.iter().copied().max_by(f64::total_cmp)?,
            median: median(finite)?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            median,
            lowest,
            highest,
        } = self;
        write!(f, "{median:.2} [{lowest:.2}–{highest:.2}]")
    }
}

/// The value in the middle; none of none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![1.0, 2.0]), Some(1.5));
        assert_eq!(median(vec![]), None);
        let spread = Spread::of(vec![1.0, f64::INFINITY, 3.0]);
        assert_eq!(
            spread,
            Some(Spread {
                median: 2.0,
                lowest: 1.0,
                highest: 3.0
            })
        );
    }
}
