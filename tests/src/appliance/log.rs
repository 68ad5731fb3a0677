//! Log lines of the appliance: the numbers that `defmt` sends, and the texts for them in the image.

use std::path::Path;

use defmt_decoder::{DecodeError, Table};

/// The texts of one image.
#[derive(Debug)]
pub struct Log {
    table: Table,
}

impl Log {
    /// The texts of `image`.
    ///
    /// # Panics
    ///
    /// When it is no image, or has no texts.
    #[must_use]
    pub fn of(image: &Path) -> Self {
        let bytes = std::fs::read(image).expect("the image");
        let table = Table::parse(&bytes).expect("the table of texts of the image");
        Self {
            table: table.expect("an image that logs"),
        }
    }

    /// The lines in `bytes`; what was cut is left out.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Vec<String> {
        let mut decoder = self.table.new_stream_decoder();
        decoder.received(bytes);
        let mut lines = Vec::new();
        loop {
            match decoder.decode() {
                Ok(frame) => {
                    let level = frame.level().map_or("print", |level| level.as_str());
                    lines.push(format!("{level}: {}", frame.display_message()));
                }
                Err(DecodeError::Malformed) => lines.push("(a line that was cut)".to_owned()),
                Err(DecodeError::UnexpectedEof) => return lines,
            }
        }
    }
}
