//! A headless Chromium or Chrome that is controlled through its debugging pipe. It reads commands
//! from descriptor 3 and writes answers to descriptor 4. It is started by a shell that makes these
//! of its own standard input and output. No library for browsers is needed, and no port is opened.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The names under which a browser may be installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The longest wait for a page to show what it should.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with an empty page; `None` if no browser is installed.
    pub(super) fn start() -> Option<Self> {
        let works = |name: &&&str| {
            let probe = Command::new(name).arg("--version").output();
            probe.is_ok_and(|probe| probe.status.success())
        };
        let name = NAMES.iter().find(works)?;
        let profile = tempfile::tempdir().expect("there is room for a folder");
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", name])
            .args([
                "--headless",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            // The browser's sandbox does not work for root, and only a page of ours is opened.
            .arg("--no-sandbox")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut browser = Self {
            to: child.stdin.take().expect("it is a pipe"),
            from: BufReader::new(child.stdout.take().expect("it is a pipe")),
            child,
            session: None,
            last: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        Some(browser)
    }

    /// Calls a method of the browser's debugging protocol, and returns its result. Panics if the
    /// browser answers with an error, or has ended.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        write!(self.to, "{message}\0").expect("the browser reads");
        loop {
            let mut line = Vec::new();
            self.from.read_until(0, &mut line).expect("the browser can be read");
            assert!(line.pop() == Some(0), "the browser went away during {method}");
            let answer: Value = serde_json::from_slice(&line).expect("it writes JSON");
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Opens a file in the browser, and waits until it is loaded. `rest` is appended to its
    /// address, such as `?find=x` or `#id`.
    pub(super) fn open(&mut self, file: &Path, rest: &str) {
        // An address that differs in the fragment alone would not load the page anew.
        self.call("Page.navigate", &json!({ "url": "about:blank" }));
        let address = format!("file://{}{rest}", file.display());
        self.call("Page.navigate", &json!({ "url": address }));
        self.until("document.readyState", &json!("complete"));
    }

    /// Sets the size of the window, and the colour scheme that the reader prefers: `light` or
    /// `dark`.
    pub(super) fn show(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &dark);
    }

    /// Returns the value of a JavaScript expression in the page. Panics if the expression throws.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let evaluate = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &evaluate);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression has the value `expected`. Fails after 10 seconds.
    #[track_caller]
    pub(super) fn until(&mut self, expression: &str, expected: &Value) {
        let begun = Instant::now();
        loop {
            let value = self.value(expression);
            if value == *expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{expression} is {value}, not {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Scrolls to the first element that the CSS selector `selector` finds, and clicks on it: in
    /// its middle, or 20 pixels from its left side if it is wider than 40 pixels.
    pub(super) fn click(&mut self, selector: &str) {
        let element = format!("document.querySelector({})", json!(selector));
        self.value(&format!("{element}.scrollIntoView({{ block: 'center' }})"));
        std::thread::sleep(Duration::from_millis(50));
        let place = self.value(&format!(
            "(() => {{ const at = {element}.getClientRects()[0]; \
             return [at.left + Math.min(at.width, 40) / 2, at.top + at.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Types into the field that has been clicked on.
    pub(super) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
