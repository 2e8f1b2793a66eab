//! Pictures, as SVG.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::rows::{Line, Measured, short};

const WIDTH: u32 = 860;
const FONT: &str = "sans-serif";

/// Colours that tell apart also who sees them otherwise (Okabe and Ito).
const PALETTE: [RGBColor; 8] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// The same one in each picture, since contenders come in the same order wherever they come.
fn colour(name: &str) -> RGBColor {
    let families = [
        "corobin", "RAW", "tokio", "may", "thread", "gorout", "Python", "",
    ];
    // "corobin Workers" is corobin; "OS threads" are threads.
    let family = families
        .iter()
        .position(|family| name.contains(family) || name.starts_with(family));
    PALETTE[family.unwrap_or(families.len() - 1)]
}

/// A decade below and above what there is, at least.
fn decades(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let values: Vec<f64> = values.filter(|v| v.is_finite() && *v > 0.0).collect();
    let least = values.iter().copied().reduce(f64::min)?;
    let greatest = values.iter().copied().reduce(f64::max)?;
    let low = 10_f64.powf(least.log10().floor());
    let high = 10_f64.powf(greatest.log10().ceil());
    Some((low, if high > low { high } else { low * 10.0 }))
}

/// Medians from `least` to `greatest` of every contender that is in more than one of the rows,
/// on two log axes. Nothing if there is only one row.
pub fn curves(title: &str, rows: &[&Measured]) -> Result<Option<String>, Box<dyn Error>> {
    let points: Vec<(f64, &Line)> = rows
        .iter()
        .filter_map(|row| Some((row.curve?.1 as f64, row)))
        .flat_map(|(n, row)| row.lines.iter().map(move |line| (n, line)))
        .collect();
    let greatest = points.iter().map(|(_, line)| line.samples.greatest());
    let least = points.iter().map(|(_, line)| line.samples.least());
    let Some((low, high)) = decades(least.chain(greatest)).filter(|_| rows.len() > 1) else {
        return Ok(None);
    };
    let Some((left, right)) = decades(points.iter().map(|(n, _)| *n)) else {
        return Ok(None);
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, 460)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 18))
            .margin(12)
            .margin_right(190)
            .x_label_area_size(34)
            .y_label_area_size(64)
            .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .label_style((FONT, 13))
            .x_label_formatter(&|n| grouped(*n))
            .y_label_formatter(&|value| grouped(*value))
            .light_line_style(BLACK.mix(0.05))
            .draw()?;
        for name in names(&points) {
            let style = ShapeStyle::from(colour(name)).stroke_width(2).filled();
            let own: Vec<_> = points
                .iter()
                .filter(|(_, line)| line.name == name)
                .collect();
            let line = own.iter().map(|(n, line)| (*n, line.samples.median()));
            chart.draw_series(LineSeries::new(line.clone(), style))?;
            chart.draw_series(own.iter().map(|(n, line)| {
                let (samples, style) = (&line.samples, style.stroke_width(1));
                let (least, greatest) = (samples.least(), samples.greatest());
                ErrorBar::new_vertical(*n, least, samples.median(), greatest, style, 6)
            }))?;
        }
        // Names at the right, in the order of the curves' ends, none on top of another.
        let mut ends: Vec<(i32, &str)> = names(&points)
            .into_iter()
            .filter_map(|name| {
                let end = points.iter().rev().find(|(_, line)| line.name == name)?;
                let at = (right, end.1.samples.median());
                Some((chart.backend_coord(&at).1, name))
            })
            .collect();
        ends.sort_unstable();
        let mut free = 0;
        for (y, name) in ends {
            let y = y.max(free);
            free = y + 16;
            let style = (FONT, 13).into_font().color(&colour(name));
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(name.to_owned(), (WIDTH as i32 - 184, y), style))?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

/// The contenders, in the order of their first appearance.
fn names<'a>(points: &[(f64, &'a Line)]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, line) in points {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    names
}

/// A bar for each contender, as long as its median, with a whisker from its least number to its
/// greatest, on a log axis.
pub fn bars(row: &Measured) -> Result<Option<String>, Box<dyn Error>> {
    let ends = row.lines.iter().map(|line| &line.samples);
    let ends = ends.flat_map(|samples| [samples.least(), samples.greatest()]);
    let Some((low, high)) = decades(ends) else {
        return Ok(None);
    };
    let n = row.lines.len();
    let mut svg = String::new();
    {
        let height = 80 + 30 * n as u32;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(format!("{}, {}", row.title, row.unit), (FONT, 18))
            .margin(12)
            .margin_right(80)
            .x_label_area_size(28)
            .y_label_area_size(250)
            .build_cartesian_2d((low..high).log_scale(), n as f64..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .label_style((FONT, 13))
            .x_label_formatter(&|value| grouped(*value))
            .light_line_style(BLACK.mix(0.05))
            .draw()?;
        for (i, line) in row.lines.iter().enumerate() {
            let (top, middle, bottom) = (i as f64 + 0.18, i as f64 + 0.5, i as f64 + 0.82);
            let (samples, median) = (&line.samples, line.samples.median());
            let label = (FONT, 13).into_font().color(&BLACK);
            let right = label.pos(Pos::new(HPos::Right, VPos::Center));
            let left = label.pos(Pos::new(HPos::Left, VPos::Center));
            let (x, y) = chart.backend_coord(&(low, middle));
            root.draw(&Text::new(line.name.clone(), (x - 8, y), right))?;
            if !median.is_finite() || median <= 0.0 {
                let nothing = if median == 0.0 { "0" } else { "failed" };
                root.draw(&Text::new(nothing, (x + 8, y), left))?;
                continue;
            }
            let fill = colour(&line.name).mix(0.65).filled();
            chart.draw_series([Rectangle::new([(low, top), (median, bottom)], fill)])?;
            let (least, greatest) = (samples.least().max(low), samples.greatest());
            let whisker = BLACK.stroke_width(1);
            chart.draw_series([ErrorBar::new_horizontal(
                middle, least, median, greatest, whisker, 8,
            )])?;
            let (x, y) = chart.backend_coord(&(greatest, middle));
            root.draw(&Text::new(short(median), (x + 8, y), left))?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

/// Thousands apart, and no decimals that say nothing.
fn grouped(value: f64) -> String {
    if value < 1.0 {
        return value.to_string();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
