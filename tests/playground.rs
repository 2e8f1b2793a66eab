//! The course's programs as pages to play with, in a headless Chromium.
//!
//! Skipped where there is none, unless `COROBIN_NEEDS_CHROMIUM` is set.

mod common;
#[path = "common/example.rs"]
mod example;

use std::collections::BTreeSet;
use std::path::PathBuf;

use common::chromium::{self, Chromium};
use common::temp_dir::TempDir;

/// The folder that the example writes, and the pages that its index lists.
fn written() -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new();
    let output = corobin::run(|| {
        let mut playground = example::example("playground");
        playground.arg(folder.path()).output().unwrap()
    });
    assert!(output.status.success(), "{output:?}");
    let index = std::fs::read_to_string(folder.join("index.html")).unwrap();
    let links = index.split("<a href=\"").skip(1);
    let pages = links.map(|link| folder.join(link.split('"').next().unwrap()));
    let pages = pages.collect();
    (folder, pages)
}

fn moment(page: &mut Chromium) -> i64 {
    let moment = page.eval("Number(document.documentElement.dataset.moment)");
    moment.as_i64().unwrap()
}

/// The place that is shown now, and the line that is marked there.
fn line(page: &mut Chromium) -> Option<(String, String)> {
    let is_hidden = page.eval("document.getElementById('code').hidden");
    let marked = page.eval("document.querySelector('#lines .here')?.textContent");
    let marked = marked.as_str()?.to_owned();
    (is_hidden == false).then(|| (page.text("#place"), marked))
}

#[test]
fn the_index_lists_all_pages() {
    let (folder, pages) = written();
    let mut listed: Vec<_> = pages
        .iter()
        .map(|page| page.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    listed.push("index.html".to_owned());
    listed.sort();
    assert_eq!(listed, folder.list());
    let Some(mut page) = chromium::start() else {
        return;
    };
    for (name, width, height, scheme) in [
        ("playground.png", 1280, 860, "light"),
        ("playground-dark.png", 1280, 860, "dark"),
        ("playground-phone.png", 390, 844, "dark"),
    ] {
        page.resize(width, height, width < 500);
        page.prefer(&[("prefers-color-scheme", scheme)]);
        page.open(&folder.join("index.html"));
        assert_eq!(page.eval("document.links.length"), listed.len() - 1);
        let wider = page.eval("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(wider, false, "{name} scrolls sideways");
        page.picture(name);
        page.assert_quiet();
    }
}

#[test]
fn each_page_goes_with_the_lines_of_its_program() {
    let Some(mut page) = chromium::start() else {
        return;
    };
    let (_folder, pages) = written();
    page.resize(1280, 860, false);
    for path in pages {
        let name = path.file_stem().unwrap().to_str().unwrap();
        page.open(&path);
        assert_eq!(page.eval("document.documentElement.dataset.loaded"), "yes");
        let last = page.eval("Number(document.getElementById('scrub').max)");
        let last = last.as_i64().unwrap();
        let mut lines = BTreeSet::new();
        let mut before = None;
        while moment(&mut page) < last {
            before = line(&mut page);
            if let Some((place, text)) = &before
                && place.contains("programs.rs:")
            {
                lines.insert(text.trim().to_owned());
            }
            page.press("ArrowRight", false);
        }
        page.press("ArrowLeft", false);
        assert_eq!(line(&mut page), before, "{name}, one step back");
        // Lines of the source, each marked while it was the one that counts.
        let expected: &[&str] = match name {
            "03_round_robin" => &["yield_now();", "named(name, || {"],
            "04_sleep" => &["sleep(ms(minutes));"],
            "05_channel" => &["belt.send(loaf).expect(\"the shop is open\");"],
            "05_lock" => &["let mut text = pen.lock();"],
            "05_deadlock" => &["let _other = other.lock();"],
            "06_socket" => &["while let Ok(n @ 1..) = ours.read(&mut word) {"],
            "09_cancel" => &["park();", "s.spawn(|| sleep(ms(1)));"],
            "10_gather" => &["sleep(ms(time));"],
            other => panic!("what is to be seen in {other}?"),
        };
        for text in expected {
            assert!(lines.contains(*text), "{name}: {text} is not in {lines:#?}");
        }
        // And by itself.
        page.press("Home", false);
        for _ in 0..20 {
            page.press("+", false);
        }
        page.click("#play");
        page.until(
            "document.documentElement.dataset.moment === document.getElementById('scrub').max",
        );
        page.picture(&format!("playground-{name}.png"));
        page.assert_quiet();
    }
}
