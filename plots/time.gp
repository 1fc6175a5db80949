
# time.gp: scaling.gp with time.
y_column = 'time_s'
y_title = 'time, less is better'
y_text(s) = text_s(s)
