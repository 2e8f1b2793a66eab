//! A line for each contender of each row.

use crate::rows::Measured;

pub fn of(rows: &[Measured]) -> String {
    let mut text =
        "row,unit,contender,median,least,greatest,corobin_share,wanted_at_most\n".to_owned();
    for row in rows {
        for line in &row.lines {
            let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
            let fields = [
                quoted(&row.title),
                quoted(row.unit),
                quoted(&line.name),
                number(Some(line.samples.median())),
                number(Some(line.samples.least())),
                number(Some(line.samples.greatest())),
                number(line.share),
                number(line.at_most),
            ];
            text += &fields.join(",");
            text += "\n";
        }
    }
    text
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
