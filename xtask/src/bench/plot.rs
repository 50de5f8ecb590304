//! `docs/benchmarks.svg`: seconds by number of targets, and below it what kept the cores busy in one run.

use std::fmt::Write as _;

use super::document::targets;
use super::matrix::{Matrix, Mode};
use super::measure::Timeline;
use super::processes::{KIND_NAMES, KINDS};

const WIDTH: f64 = 860.0;
/// Room for the labels of both axes and, to the right, for those of lines and areas.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 700.0;
const PANEL: f64 = 240.0;

/// Readable on white and on black: the text follows the reader's scheme, and the colours are between both.
const STYLE: &str = "text{font:12px sans-serif;fill:#333}.axis{stroke:#888;fill:none}.grid{stroke:#8884;fill:none}\
.line{fill:none;stroke-width:2}.dash{stroke-dasharray:5 4}.title{font-weight:bold}.end{text-anchor:end}.mid{text-anchor:middle}\
@media(prefers-color-scheme:dark){text{fill:#ddd}}";

const MODE_COLOURS: [&str; 4] = ["#2f81d6", "#d9772b", "#3c9f57", "#8a63c9"];
const KIND_COLOURS: [&str; KINDS] = ["#d9772b", "#2f81d6", "#3c9f57", "#8a63c9", "#999999"];

/// One panel: a scale for each axis.
struct Panel {
    top: f64,
    x: f64,
    y: f64,
}

impl Panel {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + x / self.x * (RIGHT - LEFT), self.top + PANEL * (1.0 - y / self.y))
    }

    /// Draws the frame, lines across at round numbers, and the words.
    fn frame(&self, title: &str, below: &str, ticks: &[f64]) -> String {
        let (bottom, middle) = (self.top + PANEL, (LEFT + RIGHT) / 2.0);
        let mut out = format!(
            "<text class=\"title\" x=\"{LEFT}\" y=\"{:.0}\">{title}</text>\n\
             <path class=\"axis\" d=\"M{LEFT} {:.0}V{bottom:.0}H{RIGHT}\"/>\n\
             <text class=\"mid\" x=\"{middle:.0}\" y=\"{:.0}\">{below}</text>\n",
            self.top - 12.0,
            self.top,
            bottom + 36.0
        );
        for value in steps(self.y) {
            let (_, y) = self.at(0.0, value);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"end\" x=\"{:.0}\" y=\"{:.1}\">{value}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        for value in ticks {
            let (x, _) = self.at(*value, 0.0);
            let _ = writeln!(out, "<text class=\"mid\" x=\"{x:.1}\" y=\"{:.0}\">{value}</text>", bottom + 17.0);
        }
        out
    }

    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut out = String::new();
        for (index, (x, y)) in points.into_iter().enumerate() {
            let (x, y) = self.at(x, y);
            let _ = write!(out, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        out
    }
}

/// Returns four to nine round numbers up to this one.
fn steps(most: f64) -> Vec<f64> {
    let power = 10_f64.powf((most.max(1e-9) / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|s| s * power).into_iter().find(|step| most / step >= 4.0).unwrap_or(power);
    // In whole steps, so that no error adds up; rounded for the sake of 0.30000000000000004.
    (1..=(most / step + 1e-9) as u32).map(|n| (f64::from(n) * step * 1e6).round() / 1e6).collect()
}

/// Returns the plot, and `None` without samples.
pub fn draw(m: &Matrix) -> Option<String> {
    let walls = wall_panel(m)?;
    let (busy, height) = match &m.timeline {
        Some(timeline) if !timeline.points.is_empty() => (busy_panel(m, timeline), 2.0 * (PANEL + 90.0)),
        _ => (String::new(), PANEL + 90.0),
    };
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Seconds by number of targets, and busy cores over time\">\n<style>{STYLE}</style>\n{walls}{busy}</svg>\n"
    ))
}

fn wall_panel(m: &Matrix) -> Option<String> {
    let counts = m.counts();
    let most = Mode::ALL.iter().flat_map(|mode| counts.iter().filter_map(|c| Some(m.wall(*c, *mode)?.max)));
    let panel = Panel { top: 40.0, x: *counts.last()? as f64, y: most.fold(0.0, f64::max) * 1.05 };
    let ticks: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    let mut out = panel.frame("Seconds to build and test", "targets", &ticks);
    // Where the line ends, its colour and its name.
    let mut labels: Vec<(f64, &str, &str)> = Vec::new();
    for (mode, colour) in Mode::ALL.into_iter().zip(MODE_COLOURS) {
        let spreads: Vec<_> = counts.iter().filter_map(|c| Some((*c as f64, m.wall(*c, mode)?))).collect();
        let line = panel.path(spreads.iter().map(|(x, s)| (*x, s.median)));
        let _ = writeln!(out, "<path class=\"line\" stroke=\"{colour}\" d=\"{line}\"/>");
        for (x, spread) in &spreads {
            let (at, y) = panel.at(*x, spread.median);
            let ((_, low), (_, high)) = (panel.at(*x, spread.min), panel.at(*x, spread.max));
            let _ = writeln!(
                out,
                "<circle fill=\"{colour}\" cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"3\"/>\
                 <path stroke=\"{colour}\" d=\"M{at:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\"/>",
                at - 4.0,
                at - 4.0
            );
        }
        labels.extend(spreads.last().map(|(x, s)| (panel.at(*x, s.median).1, colour, mode.title())));
    }
    let bounds: Vec<_> = counts.iter().filter_map(|c| Some((*c as f64, m.lower_bound(*c, Mode::Engine)?))).collect();
    let line = panel.path(bounds.iter().copied());
    let _ = writeln!(out, "<path class=\"line dash\" stroke=\"#999999\" d=\"{line}\"/>");
    labels.extend(bounds.last().map(|(x, y)| (panel.at(*x, *y).1, "#999999", "lower bound")));
    out += &legend(labels);
    Some(out)
}

fn busy_panel(m: &Matrix, timeline: &Timeline) -> String {
    let end = timeline.points.last().map_or(1.0, |point| point.seconds);
    let busiest = timeline.points.iter().map(|p| p.busy.iter().sum::<f64>()).fold(0.0, f64::max);
    let cores = timeline.cores as f64;
    let panel = Panel { top: PANEL + 130.0, x: end, y: busiest.max(cores * 1.1) };
    let most = m.counts().last().copied().unwrap_or_default();
    let mut out = panel.frame(&format!("Busy cores while xtask tests {}", targets(most)), "seconds", &steps(end));
    let mut below = vec![0.0; timeline.points.len()];
    let mut labels = Vec::new();
    for kind in 0..KINDS {
        let above: Vec<f64> = below.iter().zip(&timeline.points).map(|(y, point)| y + point.busy[kind]).collect();
        let x = || timeline.points.iter().map(|point| point.seconds);
        let outline = x().zip(above.iter().copied()).chain(x().zip(below.iter().copied()).rev());
        let colour = KIND_COLOURS[kind];
        let _ = writeln!(out, "<path fill=\"{colour}\" d=\"{}Z\"/>", panel.path(outline.collect::<Vec<_>>()));
        // The legend is in the order of the areas, from below.
        labels.push((panel.top + PANEL - 20.0 - 18.0 * kind as f64, colour, KIND_NAMES[kind]));
        below = above;
    }
    let line = panel.path([(0.0, cores), (end, cores)]);
    let _ = writeln!(out, "<path class=\"line dash\" stroke=\"#999999\" d=\"{line}\"/>");
    labels.push((panel.at(0.0, cores).1, "#999999", "cores"));
    out + &legend(labels)
}

/// Writes names to the right, each in its colour, moved down where two would touch.
fn legend(mut labels: Vec<(f64, &str, &str)>) -> String {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = String::new();
    let mut free = 0.0_f64;
    for (y, colour, name) in labels {
        let y = y.max(free);
        free = y + 16.0;
        let _ = writeln!(
            out,
            "<rect fill=\"{colour}\" x=\"{:.0}\" y=\"{:.1}\" width=\"10\" height=\"10\"/><text x=\"{:.0}\" y=\"{:.1}\">{name}</text>",
            RIGHT + 10.0,
            y - 5.0,
            RIGHT + 25.0,
            y + 4.0
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_neither_few_nor_many() {
        assert_eq!(steps(2.2), [0.5, 1.0, 1.5, 2.0]);
        assert_eq!(steps(21.0), [5.0, 10.0, 15.0, 20.0]);
        assert_eq!(steps(370.0), [50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0]);
        for most in 1..500 {
            assert!((4..=9).contains(&steps(f64::from(most) * 0.7).len()), "{most}");
        }
    }

    #[test]
    fn every_series_has_its_name_in_the_plot() {
        let svg = draw(&super::super::document::tests::example()).unwrap();
        let titles = Mode::ALL.map(Mode::title);
        for name in titles.iter().chain(&KIND_NAMES).chain(&["lower bound", "cores"]) {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}\n{svg}");
        }
        assert!(!svg.contains("NaN"), "{svg}");
        assert_eq!(draw(&Matrix::default()), None);
    }
}
