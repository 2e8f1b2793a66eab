//! The page that plays a trace, in a headless Chromium.
//!
//! Skipped where there is none, unless `COROBIN_NEEDS_CHROMIUM` is set. With
//! `COROBIN_PICTURES=folder` it leaves pictures there, to be looked at.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::chromium::{self, Chromium};
use common::temp_dir::TempDir;
use corobin::{Builder, Runtime, park, scope, sleep, timeout, yield_now};

const LOADED: &str = "document.documentElement.dataset.loaded === 'yes'";

/// A page of a run with a bit of everything; 4 others and main.
fn small_page(folder: &TempDir) -> PathBuf {
    let path = folder.join("small.html");
    let mut runtime = (Runtime::builder().trace(&path).virtual_time(true))
        .build()
        .unwrap();
    runtime.run(|| {
        let named = |name: &str, f: fn()| Builder::new().name(name).spawn(f).unwrap();
        let yielder = named("yielder", || (0..3).for_each(|_| yield_now()));
        let sleeper = named("sleeper", || sleep(Duration::from_millis(5)));
        let parked = named("</script><b>parked", park);
        let guest = named("guest", || {
            assert!(timeout(Duration::from_millis(2), park).is_err());
        });
        yielder.join().unwrap();
        parked.coroutine().unpark();
        parked.join().unwrap();
        sleeper.join().unwrap();
        guest.join().unwrap();
    });
    path
}

/// 100 coroutines, and at least 50 000 events.
fn large_page(folder: &TempDir) -> PathBuf {
    let path = folder.join("large.html");
    Runtime::builder().trace(&path).build().unwrap().run(|| {
        scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    for n in 0..240 {
                        yield_now();
                        if n % 60 == 0 {
                            sleep(Duration::from_micros(50));
                        }
                    }
                });
            }
        });
    });
    path
}

/// The small page, opened.
fn open_small() -> Option<(Chromium, TempDir)> {
    let mut page = chromium::start()?;
    let folder = TempDir::new();
    page.resize(1280, 860, false);
    page.open(&small_page(&folder));
    assert_eq!(page.eval(LOADED), true);
    Some((page, folder))
}

fn moment(page: &mut Chromium) -> i64 {
    let text = page.eval("document.documentElement.dataset.moment");
    text.as_str().unwrap().parse().unwrap()
}

fn names(page: &mut Chromium, list: &str) -> Vec<String> {
    let spans = format!("[...document.querySelectorAll('#{list} li[data-id] span')]");
    let names = page.eval(&format!("{spans}.map(span => span.textContent)"));
    let names = names.as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn it_loads_and_tells_what_happens() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    assert!(
        page.text("#summary")
            .starts_with("5 coroutines · 14 steps · ")
    );
    assert_eq!(page.eval("document.getElementById('warning').hidden"), true);
    assert!(page.text("#sentence").contains("spawns main"));
    assert_eq!(names(&mut page, "ready"), ["main"]);
    assert!(page.text("#place").starts_with("tests/trace_html.rs:"));
    assert!(page.text("#lines .here").contains("runtime.run"));
    page.press("ArrowRight", false);
    assert_eq!(names(&mut page, "ready"), [""; 0]);
    assert_eq!(names(&mut page, "running"), ["main"]);
    // Names are text, whatever is in them.
    assert_eq!(page.eval("document.querySelectorAll('b').length > 0 && [...document.querySelectorAll('b')].every(b => !b.textContent.startsWith('parked'))"), true);
    page.assert_quiet();
}

/// The queue at each step, against what a round robin must do.
#[test]
fn the_queue_is_as_it_was() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    let steps = [
        ("main", &[][..]),
        ("yielder", &["sleeper", "</script><b>parked", "guest"]),
        ("sleeper", &["</script><b>parked", "guest", "yielder"]),
        ("</script><b>parked", &["guest", "yielder"]),
        ("guest", &["yielder"]),
        ("yielder", &[]),
    ];
    for (running, ready) in steps {
        page.press("ArrowRight", true);
        assert_eq!(names(&mut page, "running"), [running]);
        assert_eq!(names(&mut page, "ready"), ready, "while {running} runs");
    }
    assert_eq!(
        names(&mut page, "waiting"),
        ["main", "sleeper", "</script><b>parked", "guest"]
    );
    assert!(page.text("#waiting").contains("the end of #"));
    // And back.
    for (running, ready) in steps.iter().rev().skip(1) {
        page.press("ArrowLeft", true);
        assert_eq!(names(&mut page, "running"), [*running]);
        assert_eq!(names(&mut page, "ready"), *ready);
    }
    page.assert_quiet();
}

#[test]
fn the_keyboard_does_all() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    let last: i64 = page
        .eval("document.getElementById('scrub').max")
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    page.press("ArrowRight", false);
    page.press("ArrowRight", false);
    assert_eq!(moment(&mut page), 2);
    page.press("ArrowLeft", false);
    assert_eq!(moment(&mut page), 1);
    page.press("End", false);
    assert_eq!(moment(&mut page), last);
    page.press("ArrowRight", false);
    assert_eq!(moment(&mut page), last, "there is nothing after the end");
    page.press("Home", false);
    page.press("ArrowLeft", false);
    assert_eq!(moment(&mut page), 0);

    page.press("+", false);
    let speed = page.text("#speed-text");
    page.press("-", false);
    assert_ne!(speed, page.text("#speed-text"));

    page.press(" ", false);
    assert_eq!(
        page.eval("document.getElementById('play').getAttribute('aria-label')"),
        "Pause"
    );
    page.press(" ", false);
    assert_eq!(
        page.eval("document.getElementById('play').getAttribute('aria-label')"),
        "Play"
    );

    page.press("ArrowDown", false);
    page.press("ArrowDown", false);
    let lane = page.text("#lane-text");
    assert!(lane.starts_with("yielder #"), "{lane}");
    assert_eq!(page.eval("document.getElementById('tip').hidden"), false);
    page.press("Escape", false);
    assert_eq!(page.eval("document.getElementById('tip').hidden"), true);

    page.press("?", true);
    assert_eq!(page.eval("document.getElementById('help').open"), true);
    page.press("Escape", false);
    page.until("!document.getElementById('help').open");

    // Each control can be reached, and has a name.
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..25 {
        page.press("Tab", false);
        let id = page.eval("document.activeElement.id || document.activeElement.value || ''");
        reached.insert(id.as_str().unwrap().to_owned());
    }
    for id in [
        "play",
        "next",
        "back",
        "first",
        "turn",
        "scrub",
        "speed",
        "scroller",
        "zoom-in",
        "help-open",
    ] {
        assert!(reached.contains(id), "{id} cannot be reached: {reached:?}");
    }
    let nameless = page.eval("[...document.querySelectorAll('button, input')].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length");
    assert_eq!(nameless, 0);
    page.assert_quiet();
}

#[test]
fn it_plays_to_the_end() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    for _ in 0..20 {
        page.press("+", false);
    }
    page.click("#play");
    page.until("document.documentElement.dataset.moment === document.getElementById('scrub').max");
    page.until("!document.documentElement.classList.contains('playing')");
    assert_eq!(names(&mut page, "waiting"), [""; 0]);
    assert_eq!(names(&mut page, "ready"), [""; 0]);
    // And again from the beginning.
    page.click("#play");
    page.until("document.documentElement.dataset.moment === document.getElementById('scrub').max");
    page.assert_quiet();
}

#[test]
fn pointing_at_a_lane_says_why_it_stopped() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    page.press("End", false);
    let (x, _) = page.place("#scroller");
    let top = page.eval("document.getElementById('scroller').getBoundingClientRect().top");
    let rows = top.as_f64().unwrap() + 26.0;
    // The lanes of five coroutines are 30 pixels high each.
    page.mouse("mouseMoved", x, rows + 2.0 * 30.0 + 15.0);
    let tip = page.text("#tip");
    assert!(tip.starts_with("sleeper #"), "{tip}");
    assert!(
        tip.contains("waits for a time") && tip.contains("tests/trace_html.rs:"),
        "{tip}"
    );
    // A click goes there.
    let before = moment(&mut page);
    page.mouse("mousePressed", x, rows + 15.0);
    page.mouse("mouseReleased", x, rows + 15.0);
    assert_ne!(moment(&mut page), before);
    page.assert_quiet();
}

#[test]
fn on_a_phone_and_in_the_dark() {
    let Some((mut page, folder)) = open_small() else {
        return;
    };
    let path = folder.join("small.html");
    let mut papers = Vec::new();
    for (name, width, height, phone, scheme) in [
        ("desktop.png", 1280, 860, false, "light"),
        ("dark.png", 1280, 860, false, "dark"),
        ("phone.png", 390, 844, true, "light"),
        ("phone-dark.png", 360, 740, true, "dark"),
    ] {
        page.resize(width, height, phone);
        page.prefer(&[
            ("prefers-color-scheme", scheme),
            ("prefers-reduced-motion", "reduce"),
        ]);
        page.open(&path);
        for _ in 0..6 {
            page.press("ArrowRight", true);
        }
        assert_eq!(
            page.eval("document.getAnimations().length"),
            0,
            "motion is reduced"
        );
        let wider = page.eval("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(wider, false, "{name} scrolls sideways");
        papers.push(page.eval("getComputedStyle(document.body).backgroundColor"));
        if phone {
            let small = page.eval("[...document.querySelectorAll('footer button')].some(b => b.getBoundingClientRect().height < 40)");
            assert_eq!(small, false, "a finger needs room");
            page.eval("document.getElementById('timeline').scrollIntoView({ block: 'center' })");
            page.frames();
            let (x, y) = page.place("#scroller");
            page.tap(x, y - 40.0);
            assert_eq!(
                page.eval("document.getElementById('tip').hidden"),
                false,
                "a tap tells"
            );
            page.picture(&format!("tap-{name}"));
            page.eval("scrollTo(0, 0)");
            page.frames();
        }
        page.picture(name);
        page.assert_quiet();
    }
    assert_eq!(papers[0], papers[2]);
    assert_ne!(papers[0], papers[1]);
}

#[test]
fn chips_move_where_motion_is_welcome() {
    let Some((mut page, _folder)) = open_small() else {
        return;
    };
    page.prefer(&[("prefers-reduced-motion", "no-preference")]);
    page.press("ArrowRight", false);
    page.until("document.getAnimations().length === 0");
    page.press("ArrowRight", false);
    page.press("ArrowRight", true);
    page.until("document.getAnimations().length === 0");
    page.assert_quiet();
}

#[test]
fn a_large_trace() {
    let Some(mut page) = chromium::start() else {
        return;
    };
    let folder = TempDir::new();
    let path = large_page(&folder);
    page.resize(1280, 860, false);
    page.open(&path);
    let events = page.eval("Number(document.getElementById('scrub').max) + 1");
    assert!(events.as_i64().unwrap() >= 50_000, "{events}");
    assert!(page.text("#summary").starts_with("101 coroutines"));
    for _ in 0..20 {
        page.press("+", false);
    }
    // Far back and forth, through the kept states.
    for to in [49_000, 3, 25_000, 24_999, 50_000] {
        page.eval(&format!("{{ const s = document.getElementById('scrub'); s.value = {to}; s.dispatchEvent(new Event('input')); }}"));
        page.frames();
        assert_eq!(moment(&mut page), to);
    }
    page.press("Home", false);
    page.click("#play");
    page.until("Number(document.documentElement.dataset.moment) > 3000");
    page.picture("large.png");
    page.click("#play");
    // What is drawn does not grow with the trace.
    let nodes = page.eval("document.querySelectorAll('*').length");
    assert!(nodes.as_i64().unwrap() < 500, "{nodes}");
    page.click("#zoom-out");
    for _ in 0..20 {
        page.click("#zoom-out");
    }
    page.picture("large-out.png");
    page.assert_quiet();
}

/// Cuts the page's text in the middle of a line.
fn cut(path: &Path, at: f64) {
    let text = std::fs::read_to_string(path).unwrap();
    let events = text.find("[\"i\",{").unwrap();
    let keep = events + ((text.len() - events) as f64 * at) as usize;
    std::fs::write(path, &text[..text.floor_char_boundary(keep)]).unwrap();
}

#[test]
fn a_page_whose_process_died() {
    let Some((mut page, folder)) = open_small() else {
        return;
    };
    let path = folder.join("small.html");
    for part in [0.7, 0.6] {
        cut(&path, part);
        page.open(&path);
        assert_eq!(page.eval(LOADED), true);
        assert!(page.text("#warning").contains("has not written the end"));
        page.press("End", false);
        assert!(moment(&mut page) > 0);
        page.assert_quiet();
    }
    cut(&path, 0.0);
    page.open(&path);
    assert!(page.text("#warning").contains("nothing to play"));
    page.assert_quiet();
}
