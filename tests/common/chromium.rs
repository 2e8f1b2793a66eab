//! A headless Chromium, driven through its debugging pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::temp_dir::TempDir;

/// Set where a browser must be there: tests fail rather than be skipped.
const NEEDED: &str = "COROBIN_NEEDS_CHROMIUM";

pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    /// What it said besides answers.
    events: Vec<Value>,
    _profile: TempDir,
}

/// A browser for the test, or none, with a word, where there is none.
pub fn start() -> Option<Chromium> {
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let mut version = Command::new(name);
            version.arg("--version").stderr(Stdio::null());
            version.output().is_ok_and(|output| output.status.success())
        });
    let Some(name) = found else {
        assert!(
            std::env::var_os(NEEDED).is_none(),
            "{NEEDED} is set, and there is no chromium"
        );
        eprintln!("skipped: there is no chromium");
        return None;
    };
    Some(Chromium::launch(name))
}

impl Chromium {
    fn launch(name: &str) -> Chromium {
        let profile = TempDir::new();
        let profile_arg = format!("--user-data-dir={}", profile.join("profile").display());
        // The pipe is on descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                name,
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .args(["--remote-debugging-pipe", &profile_arg, "about:blank"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Chromium {
            child,
            to,
            from,
            calls: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the debugging protocol and gives its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        write!(self.to, "{message}\0").unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == json!(self.calls) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn receive(&mut self) -> Value {
        let mut text = Vec::new();
        self.from.read_until(0, &mut text).unwrap();
        assert_eq!(text.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&text).unwrap()
    }

    /// The size of the window, in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32, is_phone: bool) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let touch = json!({ "enabled": is_phone });
        self.call("Emulation.setTouchEmulationEnabled", touch);
    }

    /// What the user prefers, as media queries ask.
    pub fn prefer(&mut self, features: &[(&str, &str)]) {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Opens a file and waits until the player has loaded.
    pub fn open(&mut self, path: &Path) {
        let url = format!("file://{}", path.display());
        self.events.clear();
        self.call("Page.navigate", json!({ "url": url }));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.receive();
            self.events.push(event);
        }
        self.frames();
    }

    /// Lets the page draw.
    pub fn frames(&mut self) {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// The value of an expression; a promise is awaited.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true
        });
        let answer = self.call("Runtime.evaluate", params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    pub fn text(&mut self, selector: &str) -> String {
        let value = self.eval(&format!("document.querySelector({selector:?}).textContent"));
        value.as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        self.eval(&format!(
            "new Promise(done => {{ const look = () => ({expression}) ? done(1) : setTimeout(look, 5); look(); }})"
        ));
    }

    /// Presses a key, as a keyboard does.
    pub fn press(&mut self, key: &str, shift: bool) {
        let code = match key {
            " " => 32,
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let modifiers = if shift { 8 } else { 0 };
        let mut down = json!({
            "type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers
        });
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({
            "type": "keyUp", "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers
        });
        self.call("Input.dispatchKeyEvent", up);
        self.frames();
    }

    pub fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let buttons = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
        let moved = json!({ "type": kind, "x": x, "y": y });
        let params = if kind == "mouseMoved" { moved } else { buttons };
        self.call("Input.dispatchMouseEvent", params);
        self.frames();
    }

    pub fn tap(&mut self, x: f64, y: f64) {
        let down = json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] });
        self.call("Input.dispatchTouchEvent", down);
        let up = json!({ "type": "touchEnd", "touchPoints": [] });
        self.call("Input.dispatchTouchEvent", up);
        self.frames();
    }

    /// The middle of an element.
    pub fn place(&mut self, selector: &str) -> (f64, f64) {
        let value = self.eval(&format!(
            "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({selector:?}).getBoundingClientRect())"
        ));
        (value[0].as_f64().unwrap(), value[1].as_f64().unwrap())
    }

    pub fn click(&mut self, selector: &str) {
        let (x, y) = self.place(selector);
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    /// Fails if the page has said anything to the console, or asked the network.
    pub fn assert_quiet(&mut self) {
        self.frames();
        for event in &self.events {
            let method = event["method"].as_str().unwrap_or_default();
            let said = [
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Log.entryAdded",
            ];
            assert!(!said.contains(&method), "{event}");
            if method == "Network.requestWillBeSent" {
                let url = event["params"]["request"]["url"].as_str().unwrap();
                assert!(
                    url.starts_with("file:") || url.starts_with("data:"),
                    "{url}"
                );
            }
        }
    }

    /// Keeps a picture for those who want to look at one.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("COROBIN_PICTURES") else {
            return;
        };
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let path = Path::new(&folder).join(name);
        std::fs::write(path, base64(shot["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
