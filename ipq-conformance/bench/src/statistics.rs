//! The middle of several measurements, and how far they lie apart.

use serde::Serialize;
use std::fmt;

/// The median of some numbers, and the bounds of their middle half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The first quartile.
    pub lower: f64,
    /// The second quartile.
    pub median: f64,
    /// The third quartile.
    pub upper: f64,
}

impl Spread {
    /// Returns the spread of `numbers`; `None` if there are none. Between two numbers, a bound is
    /// interpolated.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let place = quarter * sorted.len().checked_sub(1)?;
            let (index, part) = (place / 4, place % 4);
            let next = sorted.get(index + 1).unwrap_or(&sorted[index]);
            Some(sorted[index] + (next - sorted[index]) * part as f64 / 4.0)
        };
        Some(Self {
            lower: at(1)?,
            median: at(2)?,
            upper: at(3)?,
        })
    }
}

/// Writes the median and both bounds: `0.97 (0.95 to 0.98)`. The formatter's precision says with
/// how many decimals, two by default.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { lower, median, upper } = self;
        write!(f, "{median:.digits$} ({lower:.digits$} to {upper:.digits$})")
    }
}

/// Divides the first number of `of` by the first of `to`, and so on to the end of the shorter
/// slice. Returns the spread of these ratios; `None` if there are none.
#[must_use]
pub fn ratios(of: &[f64], to: &[f64]) -> Option<Spread> {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    Spread::of(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_middle_half_of_five_begins_at_the_second() {
        let spread = Spread::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).expect("numbers");
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 3.0, 4.0));
        assert_eq!(format!("{spread:.1}"), "3.0 (2.0 to 4.0)");
    }

    #[test]
    fn between_two_numbers_the_line_is_straight() {
        let spread = Spread::of(&[1.0, 2.0]).expect("numbers");
        assert_eq!((spread.lower, spread.median, spread.upper), (1.25, 1.5, 1.75));
        assert_eq!(Spread::of(&[7.0]).map(|spread| spread.upper), Some(7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_pass() {
        let spread = ratios(&[1.0, 20.0, 3.0], &[2.0, 40.0, 6.0]).expect("numbers");
        assert_eq!((spread.lower, spread.median, spread.upper), (0.5, 0.5, 0.5));
    }
}
