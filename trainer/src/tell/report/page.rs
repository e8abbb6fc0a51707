//! A self-contained HTML page: no script, no network.

use std::fmt::Write;

use image::RgbImage;

use super::data_uri;

const STYLE: &str = "\
:root{color-scheme:light}\
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1d2330;background:#fff}\
h1{font-size:1.6rem;margin-bottom:.2rem}\
h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d6dae2;padding-bottom:.2rem}\
p{max-width:46rem}\
table{border-collapse:collapse;margin:.8rem 0}\
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #e6e9ef;white-space:nowrap;font-variant-numeric:tabular-nums}\
th{font-weight:600;background:#f4f6f9}\
th:first-child,td:first-child{text-align:left}\
table.heat td,table.heat th{padding:.15rem .4rem;text-align:center;border:1px solid #fff}\
img{image-rendering:pixelated;display:block}\
.pictures{display:flex;flex-wrap:wrap;gap:.8rem}\
figure{margin:0}\
figcaption{font-size:.8rem;color:#4a5265;max-width:12rem}\
svg{max-width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:#4a5265}\
.bad{color:#a12d2d}";

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

    /// HTML as it is: the plots.
    pub fn raw(&mut self, html: &str) {
        self.body.push_str(html);
        self.body.push('\n');
    }

    /// A table; cells are text.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
        };
        let _ = writeln!(self.body, "<table><tr>{}</tr>", cells("th", &mut header.iter().copied()));
        for row in rows {
            let _ = writeln!(
                self.body,
                "<tr>{}</tr>",
                cells("td", &mut row.iter().map(String::as_str))
            );
        }
        self.body.push_str("</table>\n");
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
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
            self.title, self.body
        )
    }
}
