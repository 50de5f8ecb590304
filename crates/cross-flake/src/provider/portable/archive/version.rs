//! The order of Debian's versions (Debian Policy, 5.6.12).

use std::cmp::Ordering;

/// Compares two versions: epoch, then the part before the last `-`, then what follows it.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let epoch = |text: &str| text.trim_start_matches('0').to_owned();
    let (first, second) = (epoch(a.0), epoch(b.0));
    let epochs = first.len().cmp(&second.len()).then_with(|| first.cmp(&second));
    epochs.then_with(|| part(a.1.as_bytes(), b.1.as_bytes())).then_with(|| part(a.2.as_bytes(), b.2.as_bytes()))
}

/// Tells if a version fulfils a relation: `>=`, `<<`, `=`, …
pub fn fulfils(version: &str, relation: &str, other: &str) -> bool {
    let order = compare(version, other);
    match relation {
        "<<" => order.is_lt(),
        // The policy's old names mean these.
        "<=" | "<" => order.is_le(),
        ">=" | ">" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => order.is_eq(),
    }
}

fn parts(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Compares by turns what is no digits and the numbers between.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (first, second) = (weight(a), weight(b));
            if first != second {
                return first.cmp(&second);
            }
            // Both are at a digit or at their end.
            if first == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (first, second) = (number(&mut a), number(&mut b));
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// The place of a character: a tilde before the end, letters before all others.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        None => 0,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// Takes the digits at the start, without zeros ahead of them.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_order_of_the_policy() {
        // The policy's own examples, and what is easily taken for something else.
        for order in [
            &["~~", "~~a", "~", "", "a"][..],
            &["1.0~beta1~svc1245", "1.0~beta1", "1.0", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0-10"],
            &["0.9", "0.10", "1.2", "1.2a", "1.2+dfsg", "1.2.0", "1.10", "2.0-1", "1:0.1", "2:0", "10:0"],
            &["1:10.0.2+ds-2+deb13u1~bpo12+1", "1:10.0.2+ds-2+deb13u1", "1:10.0.13+ds-0+deb13u1"],
            &["9a-1", "9-1-0", "9-1-1", "9-2-0"],
        ] {
            for two in order.windows(2) {
                assert_eq!(compare(two[0], two[1]), Ordering::Less, "{two:?}");
                assert_eq!(compare(two[1], two[0]), Ordering::Greater, "{two:?}");
            }
        }
        for [a, b] in [["1.0", "1.00"], ["0:1", "1"], ["1.0-0", "1.0"], ["1.001-01", "1.1-1"]] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn relations_are_fulfilled_or_not() {
        for (version, relation, other, expected) in [
            ("2.36-9", ">=", "2.36", true),
            ("2.36", "<<", "2.36", false),
            ("2.36", "=", "2.36", true),
            ("1:1", ">>", "9", true),
            ("1.0~rc1", ">=", "1.0", false),
            ("1.0", "<=", "1.0", true),
        ] {
            assert_eq!(fulfils(version, relation, other), expected, "{version} {relation} {other}");
        }
    }
}
