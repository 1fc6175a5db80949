
# seconds.gp: progress.gp over time.
x_column = 'seconds'
x_title = 'time spent on a problem'
x_text(s) = text_s(s)
