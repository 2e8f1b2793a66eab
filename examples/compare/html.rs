//! The report: one page, nothing beside it.

use crate::args::Options;
use crate::charts;
use crate::outside::versions;
use crate::rows::{Line, Measured, ratio, short};

const STYLE: &str = "\
    body { font: 16px/1.5 sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; \
           color: #222; background: #fff }\
    svg { max-width: 100%; height: auto; display: block; margin: 1em 0 0 }\
    table { border-collapse: collapse; margin: 1em 0; font-size: 14px }\
    th, td { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right }\
    th:first-child, td:first-child { text-align: left }\
    .wins { background: #e3f1fb } .loses { background: #fbe6d9 }\
    details { margin: .5em 0 }";

const METHOD: &str = "\
    One process, on the clock. In each round every contender of a row does the same work once, \
    and the next round starts with another one, so that a load which comes and goes meets all of \
    them. Preparation is not in the time, and each program checks its own result. Shown is the \
    median; whiskers go from the least to the greatest. A factor is the median of the ratios \
    within a round, which is steadier than the ratio of the medians. Memory is resident pages and \
    page tables, in a process of its own, once. Programs in other languages are processes of \
    their own, which measure themselves. All axes are logarithmic.\n\
    RAW is boxed corosensei coroutines on stacks without guards, resumed from a VecDeque: no \
    cancel, no names, no waiting. It is the floor to beat, not something to use.";

pub fn page(machine: &[String], options: &Options, rows: &[Measured]) -> Result<String, String> {
    let mut body = "<h1>corobin, compared</h1>\n<ul>\n".to_owned();
    let extent = format!(
        "{} rounds{}",
        options.rounds,
        if options.scale.quick {
            " of a quick run"
        } else {
            ""
        }
    );
    for line in machine.iter().cloned().chain(versions()).chain([extent]) {
        body += &format!("<li>{}</li>\n", escaped(&line));
    }
    body += "</ul>\n<h2>How it was measured</h2>\n";
    for paragraph in METHOD.split('\n') {
        body += &format!("<p>{paragraph}</p>\n");
    }
    body += &summary(rows);
    let mut curves_done: Vec<&str> = Vec::new();
    for row in rows {
        if let Some((curve, _)) = row.curve
            && !curves_done.contains(&curve)
        {
            curves_done.push(curve);
            let of_curve = |row: &&Measured| row.curve.is_some_and(|(other, _)| other == curve);
            let own: Vec<&Measured> = rows.iter().filter(of_curve).collect();
            let picture = charts::curves(curve, &own).map_err(|error| error.to_string())?;
            body += &format!(
                "<h2>{}</h2>\n{}",
                escaped(curve),
                picture.unwrap_or_default()
            );
        }
        if row.curve.is_none() {
            let title = format!("{}, {}", row.title, row.unit);
            body += &format!("<h2>{}</h2>\n", escaped(&title));
            body += &charts::bars(row)
                .map_err(|error| error.to_string())?
                .unwrap_or_default();
        }
        let open = if row.curve.is_none() { " open" } else { "" };
        let summary = format!("{}, {}", escaped(&row.title), row.unit);
        let table = table(row);
        body += &format!("<details{open}><summary>{summary}</summary>\n{table}</details>\n");
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>corobin, compared</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    ))
}

/// Who is faster than whom, in a line for each pair.
fn summary(rows: &[Measured]) -> String {
    let pairs = || {
        let lines = |row| others(row).map(move |line| (row, line));
        rows.iter().flat_map(lines)
    };
    let lost = pairs().filter(|(_, line)| line.share.is_some_and(|share| share > 1.0));
    let mut text = format!(
        "<h2>Wins and losses</h2>\n<p>{} pairs; in {} of them corobin takes more.</p>\n\
         <table><tr><th>what</th><th>corobin</th><th>other</th><th></th>\
         <th>corobin is</th></tr>\n",
        pairs().count(),
        lost.count()
    );
    for (row, line) in pairs() {
        let Some(share) = line.share else { continue };
        let (class, factor) = if share > 1.0 {
            ("loses", format!("{} × more", short(share)))
        } else {
            ("wins", format!("{} × less", short(1.0 / share)))
        };
        text += &format!(
            "<tr class=\"{class}\"><td>{}, {}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{factor}</td></tr>\n",
            escaped(&row.title),
            row.unit,
            short(row.lines[0].samples.median()),
            short(line.samples.median()),
            escaped(&line.name),
        );
    }
    text + "</table>\n"
}

/// Without corobin's own other ways, which are there to compare with.
fn others(row: &Measured) -> impl Iterator<Item = &Line> {
    let own = |line: &&Line| !line.name.starts_with("corobin");
    row.lines.iter().skip(1).filter(own)
}

fn table(row: &Measured) -> String {
    let mut text = "<table><tr><th></th><th>median</th><th>least</th><th>greatest</th>\
         <th>corobin ×</th><th>wanted</th></tr>\n"
        .to_owned();
    for line in &row.lines {
        let samples = &line.samples;
        let mut wanted = line.at_most.map_or(String::new(), |limit| {
            let word = if line.reached() == Some(true) {
                "reached"
            } else {
                "missed"
            };
            format!("≤ {} {word}", ratio(limit))
        });
        if samples.is_noisy() {
            wanted += " (noisy)";
        }
        text += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{wanted}</td></tr>\n",
            escaped(&line.name),
            short(samples.median()),
            short(samples.least()),
            short(samples.greatest()),
            line.share.map(ratio).unwrap_or_default(),
        );
    }
    text + "</table>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
