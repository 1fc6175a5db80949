
# evaluations.gp: progress.gp over evaluations.
x_column = 'evaluations'
x_title = 'evaluations of a problem'
x_text(n) = sprintf('%g', n)
