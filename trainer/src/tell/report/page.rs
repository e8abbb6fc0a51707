//! A self-contained HTML page: no script, no network.

use std::fmt::Write;

use image::RgbImage;

use super::data_uri;

const STYLE: &str = include_str!("style.css");

/// A page that is being written.
pub struct Page {
    title: String,
    body: String,
}

/// Text with the characters that HTML takes for itself replaced.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Page {
    pub fn new(title: &str) -> Self {
        Self { title: escape(title), body: format!("<h1>{}</h1>\n", escape(title)) }
    }

    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escape(text));
    }

    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escape(text));
    }

    /// Something that may be wider than a phone: it scrolls by itself and keeps its size.
    pub fn wide(&mut self, html: &str) {
        let _ = writeln!(self.body, "<div class=\"scroll\">{html}</div>");
    }

    /// Plots side by side, below each other where there is no room.
    pub fn plots(&mut self, plots: &[String]) {
        let _ = writeln!(self.body, "<div class=\"plots\">{}</div>", plots.concat());
    }

    /// HTML as it is.
    pub fn raw(&mut self, html: &str) {
        self.body.push_str(html);
        self.body.push('\n');
    }

    /// A table; cells are text.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
        };
        let _ = writeln!(
            self.body,
            "<div class=\"scroll\"><table><tr>{}</tr>",
            cells("th", &mut header.iter().copied())
        );
        for row in rows {
            let _ = writeln!(
                self.body,
                "<tr>{}</tr>",
                cells("td", &mut row.iter().map(String::as_str))
            );
        }
        self.body.push_str("</table></div>\n");
    }

    /// Pictures side by side with a caption each; their pixels are shown `times` as large.
    pub fn pictures(&mut self, pictures: &[(RgbImage, String)], times: u32) {
        self.body.push_str("<div class=\"pictures\">\n");
        for (picture, caption) in pictures {
            let _ = writeln!(
                self.body,
                "<figure><img src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{1}×{2}\">\
                 <figcaption>{}</figcaption></figure>",
                data_uri(picture),
                picture.width() * times,
                picture.height() * times,
                escape(caption)
            );
        }
        self.body.push_str("</div>\n");
    }

    /// The whole file.
    pub fn finish(self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
            self.title, self.body
        )
    }
}
