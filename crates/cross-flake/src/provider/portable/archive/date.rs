//! Dates of releases: `Sat, 15 Nov 2025 10:24:33 UTC`.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Reads a date, in seconds since 1970.
pub fn read(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "UTC" | "GMT" | "+0000" | "Z"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_date = (1970..10_000).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    is_date.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970. The year begins in March here, so that its last day is the one that is there in some years only.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Writes the day: `2025-11-15`.
pub fn show(seconds: u64) -> String {
    let mut day = seconds / DAY;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_shown() {
        for (text, seconds, day) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01"),
            ("Sat, 15 Nov 2025 10:24:33 UTC", 1_763_202_273, "2025-11-15"),
            ("Thu, 29 Feb 2024 23:59:59 UTC", 1_709_251_199, "2024-02-29"),
            ("Fri, 31 Dec 2027 00:00:00 +0000", 1_830_211_200, "2027-12-31"),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
            assert_eq!(show(seconds), day);
        }
        assert_eq!(read("yesterday"), None);
        assert_eq!(read("Sat, 15 Nov 2025 10:24:33 CET"), None);
    }
}
