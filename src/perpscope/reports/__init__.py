"""What is drawn and written for people: charts, the one-file page, the report. Figures in, bytes and text out."""
